/* session.h - one long-lived connection with an exchange from time to time: what a user who stays connected sees.
 * Never blocks but while it connects, and never connects again: how it ended is what is measured.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "ask.h"
#include "target.h"

/* How a connection ended. */
enum stf_session_end {
    STF_SESSION_OPEN,
    STF_SESSION_FIN,     /* the other side has closed it */
    STF_SESSION_RESET,   /* the other side, or a machine that knows nothing of it, has sent RST */
    STF_SESSION_TIMEOUT, /* nothing was acknowledged for give_up_ms: this machine's TCP has given up */
    STF_SESSION_FAILED,  /* this machine said that there is no way, or could not send */
};

/* "fin" for STF_SESSION_FIN and so on; NULL for STF_SESSION_OPEN. */
const char *stf_session_end_name(enum stf_session_end end);

struct stf_session {
    int fd; /* -1: none */
    char received[STF_ASK_RECEIVED_MAX];
    size_t received_size; /* what may be the beginning of an answer */
};

/* Connects, at most timeout_ms, from the thread's network namespace. */
enum stf_kind stf_session_open(const struct stf_probe_target *target, int64_t timeout_ms, int64_t give_up_ms,
                               struct stf_session *session, struct stf_err *err);

/* Sends the request once more; 0 or an errno. EAGAIN: no room for it now. */
int stf_session_send(struct stf_session *session, const struct stf_ask *ask);

/* What an errno says about the connection. */
enum stf_session_end stf_session_end_of(int errnum);

/* Reads all that is there; how many answers were complete with it is added to *answers, also when the end came with
 * them. Answers come in the order of the requests. */
enum stf_session_end stf_session_receive(struct stf_session *session, const struct stf_ask *ask, size_t *answers);

void stf_session_close(struct stf_session *session);
