/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* JSON forms of what the supervisor knows, for Describe, GetAction and Explain. Documented in org.synos.Supervisor1(5). */

#include "api/internal.h"

/* The whole of one service. */
int describe_service(Api *a, const Service *s, Json **ret);
int describe_action(const Action *action, Json **ret);

/* When the next attempt is due, in boottime; 0 = none is planned (Service.due also serves phases that wait for something else). */
usec_t describe_planned(const Service *s);
/* The same on the wall clock. */
usec_t describe_due(const Service *s, Instant now);
/* Tokens of the budget that count at this boottime. */
uint32_t describe_budget_used(const BudgetState *state, const Budget *budget, usec_t now);
/* A copy of s in which the password of every URL ("scheme://user:password@host") is replaced by "***". */
int describe_redact(const char *s, char **ret);
