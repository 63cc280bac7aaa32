/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/deps-view.h"
#include "basic/hash.h"
#include "synctl/text.h"

#define DEPTH_MAX 64

void deps_done(Deps *d) {
        for (size_t i = 0; i < d->n_nodes; i++) {
                free(d->nodes[i].unit);
                free(d->nodes[i].name);
                free(d->nodes[i].status);
        }
        for (size_t i = 0; i < d->n_edges; i++)
                free(d->edges[i].kinds);
        free(d->nodes);
        free(d->edges);
        *d = (Deps){};
}

typedef struct Builder {
        Deps *d;
        HashMap *index; /* unit → position + 1 */
        size_t nodes_allocated, edges_allocated;
} Builder;

static int node_get(Builder *k, const char *unit, size_t *ret) {
        size_t found = (size_t) (uintptr_t) hashmap_get(k->index, unit);

        if (found == 0) {
                Deps *d = k->d;
                if (d->n_nodes == k->nodes_allocated) {
                        size_t n = MAX((size_t) 64, k->nodes_allocated * 2);
                        DepsNode *bigger = reallocarray(d->nodes, n, sizeof(DepsNode));
                        if (!bigger)
                                return -ENOMEM;
                        d->nodes = bigger;
                        k->nodes_allocated = n;
                }
                DepsNode *node = d->nodes + d->n_nodes;
                *node = (DepsNode){};
                int r = text_clean(unit, &node->unit);
                if (r < 0)
                        return r;
                d->n_nodes++;
                r = hashmap_put(k->index, unit, (void *) (uintptr_t) d->n_nodes);
                if (r < 0)
                        return r;
                found = d->n_nodes;
        }
        *ret = found - 1;
        return 0;
}

static int edge_add(Builder *k, const Json *e) {
        const char *from = json_get_string(e, "from"), *to = json_get_string(e, "to"),
                   *kind = json_get_string(e, "kind");
        _cleanup_free_ char *clean = NULL;
        Deps *d = k->d;
        size_t a, b;

        if (isempty(from) || isempty(to))
                return 0;
        int r = node_get(k, from, &a);
        if (r >= 0)
                r = node_get(k, to, &b);
        if (r >= 0)
                r = text_clean(kind, &clean);
        if (r < 0)
                return r;
        if (json_get_bool(e, "missing", false))
                d->nodes[b].missing = true;
        for (size_t i = 0; i < d->n_edges; i++)
                if (d->edges[i].from == a && d->edges[i].to == b) {
                        _cleanup_free_ char *both = NULL;
                        if (strstr(d->edges[i].kinds, clean))
                                return 0; /* each edge is told at both of its ends */
                        r = str_printf(&both, "%s, %s", d->edges[i].kinds, clean);
                        return r < 0 ? r : MIN(free_and_strdup(&d->edges[i].kinds, both), 0);
                }
        if (d->n_edges == k->edges_allocated) {
                size_t n = MAX((size_t) 64, k->edges_allocated * 2);
                DepsEdge *bigger = reallocarray(d->edges, n, sizeof(DepsEdge));
                if (!bigger)
                        return -ENOMEM;
                d->edges = bigger;
                k->edges_allocated = n;
        }
        d->edges[d->n_edges++] = (DepsEdge){ .from = a, .to = b, .kinds = TAKE_PTR(clean) };
        return 0;
}

int deps_from_json(const Json *services, Deps *ret) {
        _cleanup_(deps_done) Deps d = {};
        _cleanup_(hashmap_freep) HashMap *index = NULL;

        int r = hashmap_new(&index, NULL);
        if (r < 0)
                return r;
        Builder k = { .d = &d, .index = index };
        for (size_t i = 0; i < json_length(services) && r >= 0; i++) {
                const Json *s = json_at(services, i);
                size_t at;
                if (!json_get_string(s, "unit"))
                        continue;
                r = node_get(&k, json_get_string(s, "unit"), &at);
                if (r >= 0)
                        r = text_clean(json_get_string(s, "name"), &d.nodes[at].name);
                if (r >= 0)
                        r = text_clean(json_get_string(s, "status"), &d.nodes[at].status);
        }
        for (size_t i = 0; i < json_length(services) && r >= 0; i++) {
                const Json *edges = json_get(json_at(services, i), "dependencies");
                for (size_t n = 0; n < json_length(edges) && r >= 0; n++)
                        r = edge_add(&k, json_at(edges, n));
        }
        if (r < 0)
                return r;
        *ret = d;
        d = (Deps){};
        return 0;
}

static size_t deps_find(const Deps *d, const char *unit) {
        for (size_t i = 0; i < d->n_nodes; i++)
                if (streq(d->nodes[i].unit, unit))
                        return i;
        return SIZE_MAX;
}

static const char *label(const DepsNode *n) {
        return isempty(n->name) ? n->unit : n->name;
}

/* ---- tree ---- */

typedef struct Tree {
        const Deps *d;
        const Term *term;
        StrBuf *b;
        size_t path[DEPTH_MAX];
        bool last[DEPTH_MAX];
        bool *expanded;
} Tree;

static void tree_node(Tree *t, size_t node, const char *kinds) {
        const DepsNode *n = t->d->nodes + node;
        Style style = n->missing ? STYLE_BAD : n->status ? status_style(n->status) : STYLE_DIM;

        strbuf_appendf(t->b, "%s%s%s %s", style == STYLE_NONE ? "" : term_style(t->term, style),
                       term_glyph(t->term, n->missing ? GLYPH_FAILED : status_glyph(n->status)),
                       style == STYLE_NONE ? "" : term_style(t->term, STYLE_NONE), label(n));
        if (n->missing)
                strbuf_append(t->b, " (missing)");
        else if (!n->status)
                strbuf_append(t->b, " (not supervised)");
        else if (!streq(n->status, "running"))
                strbuf_appendf(t->b, " (%s)", n->status);
        if (kinds)
                strbuf_appendf(t->b, "  %s%s%s", term_style(t->term, STYLE_DIM), kinds,
                               term_style(t->term, STYLE_NONE));
}

/* forward: what it needs; else: what needs it. */
static void tree_branch(Tree *t, size_t node, size_t depth, bool forward) {
        size_t n = 0, k = 0;

        for (size_t i = 0; i < t->d->n_edges; i++)
                n += (forward ? t->d->edges[i].from : t->d->edges[i].to) == node;
        if (t->expanded[node] && n > 0) {
                strbuf_append(t->b, " (see above)\n");
                return;
        }
        strbuf_append(t->b, "\n");
        t->expanded[node] = true;
        t->path[depth] = node;
        for (size_t i = 0; i < t->d->n_edges; i++) {
                const DepsEdge *e = t->d->edges + i;
                size_t other = forward ? e->to : e->from;
                bool circle = false;
                if ((forward ? e->from : e->to) != node)
                        continue;
                t->last[depth] = ++k == n;
                strbuf_append(t->b, "  ");
                for (size_t j = 0; j < depth; j++)
                        strbuf_append(t->b, t->last[j] ? "  " : term_glyph(t->term, GLYPH_TREE_VERTICAL));
                strbuf_append(t->b, term_glyph(t->term, t->last[depth] ? GLYPH_TREE_RIGHT : GLYPH_TREE_BRANCH));
                tree_node(t, other, e->kinds);
                for (size_t j = 0; j <= depth; j++)
                        circle = circle || t->path[j] == other;
                if (circle)
                        strbuf_appendf(t->b, " %s(a circle)%s\n", term_style(t->term, STYLE_BAD),
                                       term_style(t->term, STYLE_NONE));
                else if (depth + 1 == DEPTH_MAX)
                        strbuf_append(t->b, " (deeper)\n");
                else
                        tree_branch(t, other, depth + 1, forward);
        }
}

static int tree_new(Tree *t) {
        free(t->expanded);
        t->expanded = calloc(t->d->n_nodes + 1, sizeof(bool));
        return t->expanded ? 0 : -ENOMEM;
}

static int tree_one(Tree *t, size_t root) {
        bool needed = false;

        int r = tree_new(t);
        if (r < 0)
                return r;
        tree_node(t, root, NULL);
        strbuf_append(t->b, " needs");
        for (size_t i = 0; i < t->d->n_edges; i++)
                needed = needed || t->d->edges[i].from == root;
        if (!needed)
                strbuf_append(t->b, " nothing that synd knows of");
        tree_branch(t, root, 0, true);
        needed = false;
        for (size_t i = 0; i < t->d->n_edges; i++)
                needed = needed || t->d->edges[i].to == root;
        if (!needed)
                return 0;
        r = tree_new(t);
        if (r < 0)
                return r;
        strbuf_append(t->b, "\n");
        tree_node(t, root, NULL);
        strbuf_append(t->b, " is needed by");
        tree_branch(t, root, 0, false);
        return 0;
}

static int tree_all(Tree *t) {
        int r = tree_new(t);

        if (r < 0)
                return r;
        /* First what nothing needs; what is left then hangs in circles. */
        for (unsigned round = 0; round < 2; round++)
                for (size_t i = 0; i < t->d->n_nodes; i++) {
                        bool needed = false;
                        for (size_t k = 0; k < t->d->n_edges && !needed; k++)
                                needed = t->d->edges[k].to == i;
                        if (t->expanded[i] || (round == 0 && needed) || !t->d->nodes[i].status)
                                continue;
                        tree_node(t, i, NULL);
                        tree_branch(t, i, 0, true);
                }
        return 0;
}

int deps_format_tree(const Deps *d, const char *root, const Term *term, StrBuf *b) {
        Tree t = { .d = d, .term = term, .b = b };
        size_t at = root ? deps_find(d, root) : SIZE_MAX;

        int r = at != SIZE_MAX ? tree_one(&t, at) : tree_all(&t);
        free(t.expanded);
        return r < 0 ? r : b->failed ? -ENOMEM : 0;
}

/* ---- selections ---- */

/* Marks what root needs and what needs it, transitively; everything without a root. */
static int deps_near(const Deps *d, const char *root, bool **ret) {
        _cleanup_free_ bool *down = calloc(d->n_nodes + 1, sizeof(bool)), *up = calloc(d->n_nodes + 1, sizeof(bool));
        size_t at = root ? deps_find(d, root) : SIZE_MAX;
        bool changed = true;

        if (!down || !up)
                return -ENOMEM;
        for (size_t i = 0; i < d->n_nodes; i++)
                down[i] = up[i] = at == SIZE_MAX || i == at;
        while (changed) {
                changed = false;
                for (size_t i = 0; i < d->n_edges; i++) {
                        const DepsEdge *e = d->edges + i;
                        if (down[e->from] && !down[e->to])
                                changed = down[e->to] = true;
                        if (up[e->to] && !up[e->from])
                                changed = up[e->from] = true;
                }
        }
        for (size_t i = 0; i < d->n_nodes; i++)
                down[i] = down[i] || up[i];
        *ret = TAKE_PTR(down);
        return 0;
}

static void dot_quote(StrBuf *b, const char *s) {
        strbuf_append(b, "\"");
        for (; *s; s++) {
                if (*s == '"' || *s == '\\')
                        strbuf_append(b, "\\");
                strbuf_append_n(b, s, 1);
        }
        strbuf_append(b, "\"");
}

int deps_format_dot(const Deps *d, const char *root, StrBuf *b) {
        static const struct {
                const char *status, *color;
        } colors[] = {
                { "running", "palegreen" },    { "failed", "salmon" },        { "degraded", "gold" },
                { "starting", "lightyellow" }, { "stopping", "lightyellow" }, { "stopped", "gray90" },
        };
        _cleanup_free_ bool *near = NULL;

        int r = deps_near(d, root, &near);
        if (r < 0)
                return r;
        strbuf_append(b, "digraph synos {\n  rankdir=LR;\n  node [shape=box, style=filled, fillcolor=white];\n");
        for (size_t i = 0; i < d->n_nodes; i++) {
                const DepsNode *n = d->nodes + i;
                const char *color = n->missing ? "salmon" : "white";
                if (!near[i])
                        continue;
                for (size_t k = 0; k < ELEMENTSOF(colors); k++)
                        if (streq_ptr(colors[k].status, n->status))
                                color = colors[k].color;
                strbuf_append(b, "  ");
                dot_quote(b, n->unit);
                strbuf_append(b, " [label=");
                dot_quote(b, label(n));
                strbuf_appendf(b, ", fillcolor=%s%s];\n", color, n->status ? "" : ", style=\"filled,dashed\"");
        }
        for (size_t i = 0; i < d->n_edges; i++) {
                const DepsEdge *e = d->edges + i;
                if (!near[e->from] || !near[e->to])
                        continue;
                strbuf_append(b, "  ");
                dot_quote(b, d->nodes[e->from].unit);
                strbuf_append(b, " -> ");
                dot_quote(b, d->nodes[e->to].unit);
                strbuf_append(b, " [label=");
                dot_quote(b, e->kinds);
                strbuf_append(b, "];\n");
        }
        strbuf_append(b, "}\n");
        return b->failed ? -ENOMEM : 0;
}

static int node_to_json(const DepsNode *n, Json *list) {
        _cleanup_json_ Json *o = NULL;

        int r = json_new_object(&o);
        if (r >= 0)
                r = json_set_string(o, "unit", n->unit);
        if (r >= 0)
                r = json_set_string(o, "name", n->name);
        if (r >= 0)
                r = json_set_string(o, "status", n->status);
        if (r >= 0)
                r = json_set_bool(o, "missing", n->missing);
        return r < 0 ? r : json_append(list, o);
}

static int edge_to_json(const Deps *d, const DepsEdge *e, Json *list) {
        _cleanup_json_ Json *o = NULL;
        _cleanup_strv_free_ char **kinds = NULL;

        int r = json_new_object(&o);
        if (r >= 0)
                r = json_set_string(o, "from", d->nodes[e->from].unit);
        if (r >= 0)
                r = json_set_string(o, "to", d->nodes[e->to].unit);
        if (r >= 0)
                r = strv_split(e->kinds, ", ", &kinds);
        if (r >= 0)
                r = json_set_strv(o, "kinds", kinds);
        return r < 0 ? r : json_append(list, o);
}

int deps_to_json(const Deps *d, const char *root, Json **ret) {
        _cleanup_json_ Json *o = NULL, *nodes = NULL, *edges = NULL;
        _cleanup_free_ bool *near = NULL;

        int r = deps_near(d, root, &near);
        if (r >= 0)
                r = json_new_object(&o);
        if (r >= 0)
                r = json_new_array(&nodes);
        if (r >= 0)
                r = json_new_array(&edges);
        for (size_t i = 0; i < d->n_nodes && r >= 0; i++)
                r = near[i] ? node_to_json(d->nodes + i, nodes) : 0;
        for (size_t i = 0; i < d->n_edges && r >= 0; i++)
                r = near[d->edges[i].from] && near[d->edges[i].to] ? edge_to_json(d, d->edges + i, edges) : 0;
        if (r >= 0)
                r = json_set(o, "nodes", nodes);
        if (r >= 0)
                r = json_set(o, "edges", edges);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}
