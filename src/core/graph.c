/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The dependency graph: DependsOn= merged with systemd's own relations, among the declared services. */
#include "core/supervisor-internal.h"

#define PROBLEMS_MAX 64
#define GRAPH_DELAY (100 * USEC_PER_MSEC)

static const char *const edge_kind_table[] = {
        [EDGE_DEPENDS_ON] = "depends-on", [EDGE_REQUIRES] = "requires", [EDGE_BINDS_TO] = "binds-to",
        [EDGE_WANTS] = "wants",           [EDGE_PART_OF] = "part-of",   [EDGE_UPHOLDS] = "upholds",
};
DEFINE_STRING_TABLE(edge_kind, EdgeKind, edge_kind_table)

/* What the service cannot be without. */
typedef struct Needs {
        char *const *lists[4];
} Needs;

static Needs needs_of(const Service *svc) {
        return (Needs){ .lists = { svc->config->depends_on, svc->relations.requires, svc->relations.binds_to,
                                   svc->relations.requisite } };
}
#define NEED_DEPENDS_ON 0

/* Numbers of walks are 64 bits wide: they do not come round. */
static uint64_t next_mark(Supervisor *s) {
        return ++s->mark;
}

static bool reaches(Supervisor *s, Service *from, const Service *to, uint64_t mark) {
        Needs n = needs_of(from);

        priv(from)->reach_mark = mark;
        for (size_t i = 0; i < ELEMENTSOF(n.lists); i++)
                STRV_FOREACH (u, n.lists[i]) {
                        Service *other = find_service(s, *u);

                        if (!other)
                                continue;
                        if (other == to)
                                return true;
                        if (priv(other)->reach_mark != mark && reaches(s, other, to, mark))
                                return true;
                }
        return false;
}

/* Why this service, which another one needs, is not there; NULL if it is, or if its absence is no obstacle. */
static const char *absence(const Service *n, bool *ret_on_purpose) {
        const ServicePriv *p = priv(n);
        UnitClass c = unit_class(&n->unit);

        *ret_on_purpose = false;
        if (!n->seen || c == CLASS_UP)
                return NULL;
        if (c == CLASS_STARTING)
                return "is not up yet";
        if (c == CLASS_STOPPING)
                return "is being stopped";
        if (c == CLASS_AUTO_RESTART)
                return "is being restarted by systemd";
        if (p->operator_stopped) {
                *ret_on_purpose = true;
                return "was stopped on purpose";
        }
        if (p->owed || n->unit.active == UNIT_FAILED)
                return "has failed";
        if (n->unit.load == UNIT_MASKED)
                return "is masked";
        if (n->unit.load == UNIT_NOT_FOUND)
                return "does not exist any more";
        if (n->maintenance)
                return "is in maintenance and down";
        return NULL;
}

/* The deepest absent service below svc. One that needs top in turn is no obstacle (somebody has to be first), unless a
 * person took it down. */
static Service *blocker_walk(Supervisor *s, Service *top, Service *svc, uint64_t mark, const char **ret_why) {
        Needs n = needs_of(svc);

        priv(svc)->mark = mark;
        for (size_t i = 0; i < ELEMENTSOF(n.lists); i++)
                STRV_FOREACH (u, n.lists[i]) {
                        Service *other = find_service(s, *u), *root;
                        bool on_purpose;

                        if (!other || priv(other)->mark == mark)
                                continue;
                        root = blocker_walk(s, top, other, mark, ret_why);
                        if (root)
                                return root;
                        *ret_why = absence(other, &on_purpose);
                        if (*ret_why && (on_purpose || !reaches(s, other, top, next_mark(s))))
                                return other;
                }
        return NULL;
}

Service *graph_blocker(Supervisor *s, Service *svc, char **ret_sentence) {
        const char *victim_of = priv(svc)->victim_of, *why = NULL;
        Service *root;
        bool on_purpose;

        root = blocker_walk(s, svc, svc, next_mark(s), &why);
        if (!root && victim_of) {
                root = find_service(s, victim_of);
                why = root && root != svc ? absence(root, &on_purpose) : NULL;
                root = why ? root : NULL;
        }
        if (root)
                latch(s, str_printf(ret_sentence, "%s, which it needs, %s", root->config->unit, why));
        return root;
}

/* ---- order of a start ---- */

typedef struct Walk {
        Supervisor *s;
        Service **order;
        size_t n;
        uint64_t visited;
        /* The path from the top, to name cycles. */
        Service *path[STEPS_MAX];
        bool own_edge[STEPS_MAX]; /* the edge into path[i] is a DependsOn= */
        size_t depth;
        char *refusal;
} Walk;

static int refuse(Walk *w, const Service *svc, const char *why) {
        int r = str_printf(&w->refusal, "%s, which is needed, %s", svc->config->unit, why);

        return r < 0 ? r : -EHOSTDOWN;
}

static int cycle_sentence(const Walk *w, size_t from, char **ret) {
        _cleanup_strbuf_ StrBuf b = {};

        strbuf_append(&b, "dependency cycle: ");
        for (size_t i = from; i < w->depth; i++) {
                strbuf_append(&b, w->path[i]->config->unit);
                strbuf_append(&b, " → ");
        }
        strbuf_append(&b, w->path[from]->config->unit);
        return strbuf_finish(&b, ret);
}

/* The edge leads back to the path. Cycles made by systemd's own relations alone are systemd's to resolve. */
static int cycle_check(Walk *w, const Service *to, bool own_edge) {
        for (size_t from = 0; from < w->depth; from++) {
                bool own = own_edge;
                int r;

                if (w->path[from] != to)
                        continue;
                for (size_t i = from + 1; i < w->depth; i++)
                        own = own || w->own_edge[i];
                if (!own)
                        return 0;
                r = cycle_sentence(w, from, &w->refusal);
                return r < 0 ? r : -EHOSTDOWN;
        }
        return 0;
}

static const char *cannot_start(const Service *n) {
        if (n->unit.load == UNIT_MASKED)
                return "is masked";
        if (n->unit.load == UNIT_NOT_FOUND)
                return "does not exist";
        if (n->maintenance)
                return "is down and in maintenance";
        if (n->config->protected_)
                return "is down and protected, so that synd may not start it";
        if (!n->config->granted)
                return "is down, and its unit files do not say Supervise=yes (\"synctl adopt\" as root grants it)";
        if (priv(n)->action && !priv(n)->action->a.automatic)
                return "is busy with another action";
        return NULL;
}

static int walk_append(Walk *w, Service *svc) {
        if (w->n >= STEPS_MAX) {
                int r = str_printf(&w->refusal, "more than %u units would have to be started first", STEPS_MAX - 1U);

                return r < 0 ? r : -EHOSTDOWN;
        }
        w->order[w->n++] = svc;
        return 0;
}

static int walk_start(Walk *w, Service *svc, bool own_edge) {
        Needs needs = needs_of(svc);
        int r;

        if (w->depth >= STEPS_MAX)
                return refuse(w, svc, "lies too deep");
        priv(svc)->mark = w->visited;
        w->path[w->depth] = svc;
        w->own_edge[w->depth++] = own_edge;
        for (size_t i = 0; i < 3; i++)
                STRV_FOREACH (u, needs.lists[i]) {
                        Service *other = find_service(w->s, *u);
                        const char *why;

                        if (!other || !other->seen)
                                continue;
                        r = cycle_check(w, other, i == NEED_DEPENDS_ON);
                        if (r < 0)
                                return r;
                        if (priv(other)->mark == w->visited || unit_class(&other->unit) == CLASS_UP)
                                continue;
                        why = cannot_start(other);
                        if (why)
                                return refuse(w, other, why);
                        r = walk_start(w, other, i == NEED_DEPENDS_ON);
                        if (r < 0)
                                return r;
                }
        w->depth--;
        return walk_append(w, svc);
}

int graph_start_order(Supervisor *s, Service *svc, Service ***ret, size_t *ret_n, char **ret_refusal) {
        _cleanup_free_ Walk *w = NULL;
        int r;

        w = calloc(1, sizeof(Walk));
        if (!w)
                return -ENOMEM;
        w->s = s;
        w->visited = next_mark(s);
        w->order = calloc(STEPS_MAX, sizeof(Service *));
        if (!w->order)
                return -ENOMEM;
        r = walk_start(w, svc, false);
        if (r < 0) {
                free(w->order);
                *ret_refusal = w->refusal;
                return r;
        }
        *ret = w->order;
        *ret_n = w->n;
        return 0;
}

/* ---- for people ---- */

typedef struct EdgeList {
        Edge *edges;
        size_t n, allocated;
} EdgeList;

static int edge_add(EdgeList *l, const char *from, const char *to, EdgeKind kind, bool missing) {
        if (l->n == l->allocated) {
                size_t n = l->allocated ? 2 * l->allocated : 16;
                Edge *new = reallocarray(l->edges, n, sizeof(Edge));

                if (!new)
                        return -ENOMEM;
                l->edges = new;
                l->allocated = n;
        }
        l->edges[l->n++] = (Edge){ .from = from, .to = to, .kind = kind, .missing = missing };
        return 0;
}

static bool is_missing(const Service *to) {
        return !to || (to->seen && to->unit.load == UNIT_NOT_FOUND);
}

static int edges_from(const Supervisor *s, const Service *svc, const char *only, EdgeList *l) {
        const UnitRelations *rel = &svc->relations;
        const struct {
                char *const *units;
                EdgeKind kind;
        } lists[] = {
                { svc->config->depends_on, EDGE_DEPENDS_ON },
                { rel->requires, EDGE_REQUIRES },
                { rel->requisite, EDGE_REQUIRES },
                { rel->binds_to, EDGE_BINDS_TO },
                { rel->wants, EDGE_WANTS },
                { rel->part_of, EDGE_PART_OF },
                { rel->upholds, EDGE_UPHOLDS },
        };
        const char *unit = svc->config->unit;

        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                STRV_FOREACH (u, lists[i].units) {
                        const Service *to = find_service(s, *u);
                        int r;

                        if (!to && lists[i].kind != EDGE_DEPENDS_ON)
                                continue;
                        if (lists[i].kind == EDGE_WANTS && !strv_contains(rel->after, *u))
                                continue;
                        if (only && !streq(only, unit) && !streq(only, *u))
                                continue;
                        r = edge_add(l, unit, *u, lists[i].kind, is_missing(to));
                        if (r < 0)
                                return r;
                }
        return 0;
}

int supervisor_edges(const Supervisor *s, const char *unit, Edge **ret, size_t *ret_n) {
        EdgeList l = {};
        Service *svc;

        assert(s);
        assert(ret);
        assert(ret_n);
        HASHMAP_FOREACH (svc, s->services) {
                int r = edges_from(s, svc, unit, &l);

                if (r < 0) {
                        free(l.edges);
                        return r;
                }
        }
        *ret = l.edges;
        *ret_n = l.n;
        return 0;
}

/* Finds cycles with at least one DependsOn=: depth first, a back edge closes one. */
typedef struct CycleSearch {
        const Supervisor *s;
        Service **path;
        bool *own_edge;
        size_t depth, max;
        char ***problems;
} CycleSearch;

static int cycle_report(CycleSearch *c, size_t from) {
        _cleanup_strbuf_ StrBuf b = {};
        _cleanup_free_ char *sentence = NULL;
        int r;

        if (strv_length(*c->problems) >= PROBLEMS_MAX)
                return 0;
        strbuf_append(&b, "dependency cycle: ");
        for (size_t i = from; i < c->depth; i++) {
                strbuf_append(&b, c->path[i]->config->unit);
                strbuf_append(&b, " → ");
        }
        strbuf_append(&b, c->path[from]->config->unit);
        r = strbuf_finish(&b, &sentence);
        if (r < 0)
                return r;
        return strv_extend(c->problems, sentence);
}

/* on_path tells by position; visited by the map of names. */
static int cycle_visit(CycleSearch *c, Service *svc, bool own_edge, HashMap *visited) {
        Needs n = needs_of(svc);
        int r;

        if (c->depth >= c->max)
                return 0;
        r = hashmap_put(visited, svc->config->unit, svc);
        if (r < 0)
                return r;
        c->path[c->depth] = svc;
        c->own_edge[c->depth++] = own_edge;
        for (size_t i = 0; i < ELEMENTSOF(n.lists); i++)
                STRV_FOREACH (u, n.lists[i]) {
                        Service *other = find_service(c->s, *u);
                        bool own = i == NEED_DEPENDS_ON;
                        size_t from = 0;

                        if (!other)
                                continue;
                        if (!hashmap_get(visited, *u)) {
                                r = cycle_visit(c, other, own, visited);
                                if (r < 0)
                                        return r;
                                continue;
                        }
                        while (from < c->depth && c->path[from] != other)
                                from++;
                        for (size_t k = from + 1; k < c->depth; k++)
                                own = own || c->own_edge[k];
                        if (from < c->depth && own && (r = cycle_report(c, from)) < 0)
                                return r;
                }
        c->depth--;
        return 0;
}

static int find_cycles(const Supervisor *s, char ***problems) {
        _cleanup_(hashmap_freep) HashMap *visited = NULL;
        size_t n = hashmap_size(s->services);
        _cleanup_free_ Service **path = calloc(n + 1, sizeof(Service *));
        _cleanup_free_ bool *own = calloc(n + 1, sizeof(bool));
        CycleSearch c = { .s = s, .path = path, .own_edge = own, .max = n + 1, .problems = problems };
        Service *svc;
        int r;

        if (!path || !own)
                return -ENOMEM;
        r = hashmap_new(&visited, NULL);
        if (r < 0)
                return r;
        HASHMAP_FOREACH (svc, s->services)
                if (!hashmap_get(visited, svc->config->unit)) {
                        c.depth = 0;
                        r = cycle_visit(&c, svc, false, visited);
                        if (r < 0)
                                return r;
                }
        return 0;
}

static int find_missing(const Supervisor *s, char ***problems) {
        Service *svc;

        HASHMAP_FOREACH (svc, s->services)
                STRV_FOREACH (u, svc->config->depends_on) {
                        const Service *to = find_service(s, *u);
                        _cleanup_free_ char *sentence = NULL;
                        int r;

                        if (!is_missing(to) || strv_length(*problems) >= PROBLEMS_MAX)
                                continue;
                        r = str_printf(&sentence, "%s: DependsOn=%s %s", svc->config->unit, *u,
                                       to ? "does not exist" : "is not supervised, so that its state is not known");
                        if (r >= 0)
                                r = strv_extend(problems, sentence);
                        if (r < 0)
                                return r;
                }
        return 0;
}

int supervisor_graph_problems(const Supervisor *s, char ***ret) {
        _cleanup_strv_free_ char **problems = NULL;
        int r;

        assert(s);
        assert(ret);
        r = find_cycles(s, &problems);
        if (r >= 0)
                r = find_missing(s, &problems);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(problems);
        return 0;
}

void graph_changed(Supervisor *s) {
        s->recheck = true;
        if (s->graph_at == USEC_INFINITY)
                s->graph_at = usec_add(s->now.boottime, GRAPH_DELAY);
}

/* The names of units in a sentence are its data. */
static int add_units(const char *sentence, Json *data) {
        _cleanup_strv_free_ char **words = NULL;
        _cleanup_json_ Json *units = NULL;
        int r;

        r = strv_split(sentence, " :=", &words);
        if (r >= 0)
                r = json_new_array(&units);
        if (r < 0)
                return r;
        STRV_FOREACH (w, words)
                if (unit_name_is_valid(*w) && (r = json_append_string(units, *w)) < 0)
                        return r;
        return json_set(data, "units", units);
}

/* Tells of problems that are new since the last look. */
void graph_tick(Supervisor *s) {
        _cleanup_strv_free_ char **problems = NULL;
        int r;

        if (s->graph_at > s->now.boottime)
                return;
        s->graph_at = USEC_INFINITY;
        r = supervisor_graph_problems(s, &problems);
        if (r < 0) {
                latch(s, r);
                return;
        }
        STRV_FOREACH (p, problems) {
                bool cycle = startswith(*p, "dependency cycle");
                Event *e;

                if (strv_contains(s->graph_known, *p))
                        continue;
                e = emit(s, NULL, EVENT_GRAPH_PROBLEM, 0, PRIORITY_HIGH, EMIT_LIVE);
                event_string(s, e, "kind", cycle ? "cycle" : "missing");
                event_string(s, e, "detail", *p);
                if (e && e->data)
                        latch(s, add_units(*p, e->data));
        }
        strv_free(s->graph_known);
        s->graph_known = TAKE_PTR(problems);
}
