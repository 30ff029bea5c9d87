/* journal_sql.h - the journal's tables and every statement that touches them. Included by journal_db.c only; must hold
 * no code. SPDX-License-Identifier: MIT */
#pragma once

/* clang-format off */

/* Every row carries a sum over its other columns, made when it is written and checked when the journal is opened:
 * SQLite notices a damaged tree, but not a flipped bit inside a value, and rollback writes these values to hosts. */
#define SUM(columns) "sum INTEGER GENERATED ALWAYS AS (stf_sum(" columns ")) STORED"

#define RUN_COLUMNS "id, playbook, mode, site_name, site_dir, params, operator, program_version, started_unix_ms," \
                    " ended_unix_ms, state, summary, undoes_run, rolled_back_by"
#define HOST_COLUMNS "run, name, site_dir, config"
#define SCRIPT_COLUMNS "id, run, seq, kind, name, origin, sha256"
#define CHANGE_COLUMNS "id, run, seq, step, host, resource, thing, before, after, at_unix_ms, undoes"
#define OUTCOME_COLUMNS "change, state, error, undone_by_run"
#define CHECK_COLUMNS "id, run, seq, step, host, name, verdict, evidence, at_unix_ms"
#define EVENT_COLUMNS "id, run, seq, kind, data, at_unix_ms"

/* Rows of a run are numbered from 1 and stored under run << 32 | seq: a run's rows lie together, and a change costs
 * one page. */
#define ID_IN_RUN "id INTEGER PRIMARY KEY, run INTEGER NOT NULL, seq INTEGER NOT NULL" \
                  " CHECK (id = ((run << 32) | seq))"

/* What user_version says of a journal with these tables. */
#define SCHEMA_VERSION 2
#define SET_VERSION_(version) "PRAGMA user_version = " #version
#define SET_VERSION(version) SET_VERSION_(version)

/* SQLite keeps this text word by word, and a journal is only opened when it does (tables_sql). Columns of the type
 * "JSON TEXT" become documents when they are read. A change without an outcome is an intent: rows of changes may be
 * large, and are never written again. */
static const char tables[] =
    "CREATE TABLE runs ("
    " id INTEGER PRIMARY KEY, playbook TEXT NOT NULL, mode TEXT NOT NULL, site_name TEXT NOT NULL,"
    " site_dir TEXT NOT NULL, params JSON TEXT, operator TEXT NOT NULL, program_version TEXT NOT NULL,"
    " started_unix_ms INTEGER NOT NULL, ended_unix_ms INTEGER, state TEXT NOT NULL, summary JSON TEXT,"
    " undoes_run INTEGER REFERENCES runs, rolled_back_by INTEGER REFERENCES runs,"
    " " SUM(RUN_COLUMNS) ");"

    "CREATE TABLE run_hosts ("
    " run INTEGER NOT NULL REFERENCES runs, name TEXT NOT NULL, site_dir TEXT, config JSON TEXT NOT NULL,"
    " " SUM(HOST_COLUMNS) ", PRIMARY KEY (run, name)) WITHOUT ROWID;"

    "CREATE TABLE scripts ("
    " " ID_IN_RUN ", kind TEXT NOT NULL, name TEXT NOT NULL, origin TEXT NOT NULL, sha256 TEXT NOT NULL,"
    " " SUM(SCRIPT_COLUMNS) ", FOREIGN KEY (run) REFERENCES runs);"

    "CREATE TABLE changes ("
    " " ID_IN_RUN ", step TEXT NOT NULL, host TEXT NOT NULL, resource TEXT NOT NULL, thing JSON TEXT NOT NULL,"
    " before JSON TEXT NOT NULL, after JSON TEXT NOT NULL, at_unix_ms INTEGER NOT NULL,"
    " undoes INTEGER REFERENCES changes,"
    " " SUM(CHANGE_COLUMNS) ", FOREIGN KEY (run, host) REFERENCES run_hosts (run, name));"

    "CREATE TABLE outcomes ("
    " change INTEGER PRIMARY KEY REFERENCES changes, state TEXT NOT NULL, error TEXT,"
    " undone_by_run INTEGER REFERENCES runs, " SUM(OUTCOME_COLUMNS) ");"

    "CREATE TABLE checks ("
    " " ID_IN_RUN ", step TEXT, host TEXT, name TEXT NOT NULL, verdict TEXT NOT NULL, evidence JSON TEXT,"
    " at_unix_ms INTEGER NOT NULL, " SUM(CHECK_COLUMNS) ", FOREIGN KEY (run) REFERENCES runs);"

    "CREATE TABLE events ("
    " " ID_IN_RUN ", kind TEXT NOT NULL, data JSON TEXT, at_unix_ms INTEGER NOT NULL,"
    " " SUM(EVENT_COLUMNS) ", FOREIGN KEY (run) REFERENCES runs);";

static const char tables_sql[] =
    "SELECT group_concat(sql, ';') || ';' FROM (SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid)";

/* The name of a table that has a row which is not as it was written. */
#define BAD_SUMS(table, columns) "SELECT '" table "' FROM " table " WHERE sum IS NOT stf_sum(" columns ")"
static const char bad_sums[] =
    BAD_SUMS("runs", RUN_COLUMNS)
    " UNION ALL " BAD_SUMS("run_hosts", HOST_COLUMNS)
    " UNION ALL " BAD_SUMS("scripts", SCRIPT_COLUMNS)
    " UNION ALL " BAD_SUMS("changes", CHANGE_COLUMNS)
    " UNION ALL " BAD_SUMS("outcomes", OUTCOME_COLUMNS)
    " UNION ALL " BAD_SUMS("checks", CHECK_COLUMNS)
    " UNION ALL " BAD_SUMS("events", EVENT_COLUMNS)
    " LIMIT 1";

/* In all of these ?1 is the run. */
#define OF_RUN "id BETWEEN (?1 << 32) AND ((?1 << 32) | 4294967295)"
#define IN_RUN(table, columns, values) \
    "INSERT INTO " table " (id, run, seq, " columns ") SELECT n, ?1, n & 4294967295, " values \
    " FROM (SELECT coalesce(max(id), ?1 << 32) + 1 AS n FROM " table " WHERE " OF_RUN ")"

/* ?1: is a controller at work? */
#define SELECT_RUNS \
    "SELECT id AS run, playbook, mode, site_name, site_dir, params, operator, program_version, started_unix_ms," \
    " ended_unix_ms, CASE WHEN rolled_back_by IS NOT NULL THEN 'rolled_back'" \
    " WHEN state = 'running' AND NOT ?1 THEN 'interrupted' ELSE state END AS state, summary, undoes_run," \
    " rolled_back_by, (SELECT count(*) FROM changes WHERE changes.id BETWEEN (runs.id << 32) AND" \
    " ((runs.id << 32) | 4294967295)) AS changes FROM runs"

static const char *const statement_sql[STATEMENT_COUNT] = {
    [RUN_BEGIN] =
        "INSERT INTO runs (id, playbook, mode, site_name, site_dir, params, operator, program_version,"
        " started_unix_ms, state)"
        " SELECT coalesce(max(id), 0) + 1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'running' FROM runs",
    [RUN_UNDOES] = "UPDATE runs SET undoes_run = ?2 WHERE id = ?1",
    [RUN_RESUME] = "UPDATE runs SET state = 'running', summary = NULL, ended_unix_ms = NULL WHERE id = ?1",
    [RUN_END] = "UPDATE runs SET state = ?2, summary = ?3, ended_unix_ms = ?4 WHERE id = ?1",
    [RUN_ROLLED_BACK] = "UPDATE runs SET rolled_back_by = ?2 WHERE id = ?1",
    [RUN_LINK] = "SELECT undoes_run AS undoes, id AS run FROM runs WHERE id = ?1",
    [RUNS_INTERRUPT] = "UPDATE runs SET state = 'interrupted' WHERE state = 'running'",
    [HOST_ADD] =
        "INSERT INTO run_hosts (run, name, site_dir, config) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (run, name) DO NOTHING",
    [SCRIPT_ADD] = IN_RUN("scripts", "kind, name, origin, sha256", "?2, ?3, ?4, ?5"),
    [CHECK_ADD] = IN_RUN("checks", "step, host, name, verdict, evidence, at_unix_ms", "?2, ?3, ?4, ?5, ?6, ?7"),
    [EVENT_ADD] = IN_RUN("events", "kind, data, at_unix_ms", "?2, ?3, ?4"),
    [CHANGE_INTENT] = IN_RUN("changes", "step, host, resource, thing, before, after, at_unix_ms, undoes",
                             "?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9"),
    [CHANGE_OUTCOME] =
        "INSERT INTO outcomes (change, state, error, undone_by_run) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (change) DO UPDATE SET state = excluded.state, error = coalesce(excluded.error, error),"
        " undone_by_run = excluded.undone_by_run",
    [CHANGE_LINK] = "SELECT undoes, run FROM changes WHERE id = ?1",
    [NEWEST_CHANGE] = "SELECT coalesce(max(id), 0) AS newest FROM changes",
    [BEGIN] = "BEGIN",
    [COMMIT] = "COMMIT",
    [JOB_BEGIN] = "SAVEPOINT job",
    [JOB_KEEP] = "RELEASE job",
    [JOB_UNDO] = "ROLLBACK TO job",
    [LIST_RUNS] = SELECT_RUNS " ORDER BY id DESC",
    [LOAD_RUN] = SELECT_RUNS " WHERE id = ?2",
    [LOAD_HOSTS] = "SELECT name, site_dir, config FROM run_hosts WHERE run = ?1 ORDER BY name",
    [LOAD_SCRIPTS] = "SELECT kind, name, origin, sha256 FROM scripts WHERE " OF_RUN " ORDER BY id",
    [LOAD_CHANGES] =
        "SELECT id AS change, run, seq, step, host, resource, thing AS id, before, after,"
        " coalesce(state, 'intent') AS state, error, at_unix_ms, undoes, undone_by_run"
        " FROM changes LEFT JOIN outcomes ON change = changes.id WHERE changes." OF_RUN " ORDER BY changes.id",
    [LOAD_CHECKS] =
        "SELECT seq, step, host, name, verdict, evidence, at_unix_ms FROM checks WHERE " OF_RUN " ORDER BY id",
    [LOAD_EVENTS] = "SELECT seq, kind, data, at_unix_ms FROM events WHERE " OF_RUN " ORDER BY id",
};

/* clang-format on */
