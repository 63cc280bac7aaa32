/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The graph of dependencies: as a tree for people, for graphviz, as JSON. */

#include "basic/json.h"
#include "basic/string.h"
#include "synctl/term.h"

typedef struct DepsNode {
        char *unit, *name, *status; /* status NULL: not supervised */
        bool missing;
} DepsNode;

typedef struct DepsEdge {
        size_t from, to; /* from needs to */
        char *kinds; /* "requires, part-of" */
} DepsEdge;

typedef struct Deps {
        DepsNode *nodes;
        size_t n_nodes;
        DepsEdge *edges;
        size_t n_edges;
} Deps;
void deps_done(Deps *d);

/* From an array of Describe objects. Several relations of one pair become one edge. */
int deps_from_json(const Json *services, Deps *ret);
/* root NULL: every service that nothing needs is a tree. Circles are shown once and marked. */
int deps_format_tree(const Deps *d, const char *root, const Term *term, StrBuf *b);
int deps_format_dot(const Deps *d, const char *root, StrBuf *b);
/* {nodes:[{unit,name,status,missing}],edges:[{from,to,kinds:[…]}]}; with root: what it needs and what needs it,
 * transitively. */
int deps_to_json(const Deps *d, const char *root, Json **ret);
