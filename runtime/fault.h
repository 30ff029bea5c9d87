/* fault.h - places where a debug build lets itself be killed, so that tests can crash it at every one of them.
 * Must never do anything in a build without STAFFETTA_FAULTS. SPDX-License-Identifier: MIT */
#pragma once

/* Every journal write and every side effect, once: each name stands for two points, "<name>.before" and
 * "<name>.after". Tests enumerate this list, so a point that is not in it can not be written down. */
#define STF_FAULT_LIST(X)                                                                                              \
    X(CREATE, "journal.create")                                                                                        \
    X(INTERRUPT, "journal.interrupt")                                                                                  \
    X(RUN_BEGIN, "journal.run_begin")                                                                                  \
    X(RUN_UNDOES, "journal.run_undoes")                                                                                \
    X(RUN_RESUME, "journal.run_resume")                                                                                \
    X(RUN_END, "journal.run_end")                                                                                      \
    X(RUN_ROLLED_BACK, "journal.run_rolled_back")                                                                      \
    X(HOST, "journal.host")                                                                                            \
    X(SCRIPT, "journal.script")                                                                                        \
    X(CHECK, "journal.check")                                                                                          \
    X(EVENT, "journal.event")                                                                                          \
    X(INTENT, "journal.intent")                                                                                        \
    X(DONE, "journal.done")                                                                                            \
    X(FAILED, "journal.failed")                                                                                        \
    X(HOLD, "host.hold")                                                                                               \
    X(ARM, "host.arm")                                                                                                 \
    X(WRITE, "host.write")                                                                                             \
    X(CONFIRM, "host.confirm")

#define STF_FAULT_ENUM(symbol, name) STF_FAULT_##symbol##_BEFORE, STF_FAULT_##symbol##_AFTER,
enum stf_fault_point { STF_FAULT_LIST(STF_FAULT_ENUM) STF_FAULT_COUNT };
#undef STF_FAULT_ENUM

/* "journal.intent.before" */
const char *stf_fault_name(enum stf_fault_point point);

/* Kills the program (SIGKILL) when the environment variable STAFFETTA_FAULT is this point's name and this is the first
 * hit, or is "<name>:<n>" and this is the n-th. */
#ifdef STAFFETTA_FAULTS
void stf_fault(enum stf_fault_point point);
#else
static inline void stf_fault(enum stf_fault_point point)
{
    (void)point;
}
#endif
