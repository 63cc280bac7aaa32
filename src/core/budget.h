/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A sliding window of tokens: at most `limit` in any half-open span of `window`. Each token is the time of one action.
 * Spans are taken on boottime, in arithmetic modulo 2^64: a token that is older than this boot has a boottime "below zero",
 * and now - token is right all the same. */

#include "core/service.h"

void budget_done(BudgetState *b);
/* Tokens that still count at `now`; those that are older than the window are dropped. */
size_t budget_used(BudgetState *b, const Budget *limits, Instant now);
/* Boottime at which the next token is free: now.boottime when there is one already, infinity when limit is 0. */
usec_t budget_next(BudgetState *b, const Budget *limits, Instant now);
/* Takes one token at `now`; the caller has asked budget_next(). -EDQUOT when there is none. */
int budget_take(BudgetState *b, const Budget *limits, Instant now);
/* Adds a token that was taken age ago, keeping them sorted (restore). */
int budget_add(BudgetState *b, usec_t age, usec_t realtime, Instant now);
/* realtime was moved against boottime: the tokens' realtime follows, so that their ages survive a reboot. */
void budget_rebase(BudgetState *b, Instant now);
