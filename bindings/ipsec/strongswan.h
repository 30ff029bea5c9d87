/* strongswan.h - what the parts of the strongSwan driver share: the host's configuration and a connection to charon.
 * Internal to bindings/ipsec. Must never touch a connection or secret whose name is not ours.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

#include "ipsec/connection.h"
#include "ipsec/durable.h"
#include "ipsec/vici_client.h"

enum {
    STF_CHARON_ANSWER_MS = 5000, /* for a command that charon answers at once: 0.1 ms is usual */
    STF_CHARON_KEY_ID_SIZE = 65, /* a hash in hex */
};

struct stf_strongswan {
    const char *name;     /* the host's, for messages */
    const char *site_dir; /* the host's */
    char *conf_dir;
    bool allow_tunnel;
    struct stf_vici_client *client;
};

/* Reads the host's `ipsec` table and connects. Close also after an error. */
enum stf_kind stf_strongswan_open(struct stf_strongswan *daemon, const struct stf_host *host, struct stf_err *err);
void stf_strongswan_close(struct stf_strongswan *daemon);

/* Only a connection to charon of its own, for an event watch. */
enum stf_kind stf_strongswan_connect(const struct stf_host *host, struct stf_vici_client **client, struct stf_err *err);

/* STF_DENIED unless `name` begins with "staffetta-"; STF_INVALID_DATA unless letters, digits, '-' and '_' follow. */
enum stf_kind stf_strongswan_check_name(const char *name, struct stf_err *err);

/* The member "name" of a resource's id, checked as above; points into `id`. */
enum stf_kind stf_strongswan_id_name(const json_t *id, const char **name, struct stf_err *err);

/* One connection or secret at hand: the open daemon, the folder of our files, and the file of that name. */
struct stf_strongswan_place {
    struct stf_strongswan daemon;
    struct stf_durable files;
    const char *name; /* points into the id */
    char file[128];   /* NAME and the suffix */
    char path[512];   /* for messages */
};

/* Close also after an error. */
enum stf_kind stf_strongswan_place_open(struct stf_strongswan_place *place, const struct stf_host *host,
                                        const json_t *id, const char *suffix, bool is_writer, struct stf_err *err);
void stf_strongswan_place_close(struct stf_strongswan_place *place);

/* STF_CONFLICT where charon has a `what` ("connection") of that name, and we no file: somebody else has loaded it. */
enum stf_kind stf_strongswan_place_check(const struct stf_strongswan_place *place, const char *what, bool is_live,
                                         bool has_file, struct stf_err *err);

/* The resource's state: what the file says, marked where charon does not have it. `kept` may be NULL: no file. */
enum stf_kind stf_strongswan_place_state(const struct stf_strongswan_place *place, json_t *kept, bool is_loaded,
                                         json_t **state, struct stf_err *err);

enum stf_kind stf_strongswan_engine(struct stf_strongswan *daemon, struct stf_ipsec_engine *engine,
                                    struct stf_err *err);

/* Sends a command without streamed answer and checks its success; takes over and wipes `message`. `subject`: on what.
 * `answer` may be NULL. */
enum stf_kind stf_strongswan_command(struct stf_strongswan *daemon, const char *command,
                                     struct stf_vici_message *message, const char *subject, int64_t timeout_ms,
                                     json_t **answer, struct stf_err *err);

/* Adds a rendered connection (connection.h) for load-conn: as it is, but with the certificates themselves in place of
 * their paths. */
enum stf_kind stf_strongswan_add_connection(struct stf_vici_message *message, const json_t *tree, struct stf_err *err);

/* All connections as list-conns shows them, name -> section; of the one named only when `name` is not NULL. */
enum stf_kind stf_strongswan_list_connections(struct stf_strongswan *daemon, const char *name, json_t **connections,
                                              struct stf_err *err);

/* The list of names or ids that get-conns, get-shared or get-keys answers with, under `member`; a new reference. */
enum stf_kind stf_strongswan_names(struct stf_strongswan *daemon, const char *command, const char *member,
                                   json_t **names, struct stf_err *err);

/* Loads again what charon has lost of ours, by a restart most likely: the connections and secrets whose files say that
 * they are loaded. Half-written ones, and what can not be read or is refused, are left alone and named. `*result`:
 * {"connections": n, "secrets": n, "skipped": [{"name", "reason"}]}. Altogether it only makes true what files and
 * journal say already. */
enum stf_kind stf_strongswan_reload(const struct stf_host *host, json_t **result, struct stf_err *err);
/* Whether a reload would load anything. */
enum stf_kind stf_strongswan_has_lost(const struct stf_host *host, bool *has_lost, struct stf_err *err);

enum {
    STF_CHARON_FORCE = 0, /* in place of a time-out: tell the peer once and drop the SAs without its answer */
};

/* Ends all IKE SAs of the connection; `*count` (may be NULL) tells how many, 0 being no error. STF_TIMEOUT when the
 * peer does not confirm in time: charon then keeps the SAs and goes on trying. */
enum stf_kind stf_strongswan_terminate(struct stf_strongswan *daemon, const char *connection, int64_t timeout_ms,
                                       int64_t *count, struct stf_err *err);

/* Negotiates the child, or all of the connection's when it is NULL; on failure the error ends with charon's last words
 * about it. */
enum stf_kind stf_strongswan_initiate(struct stf_strongswan *daemon, const char *connection, const char *child,
                                      int64_t timeout_ms, struct stf_err *err);

/* Ends by force and negotiates again those of the connections (a list of names, or NULL) whose local address the host
 * holds. */
enum stf_kind stf_strongswan_renew(const struct stf_host *host, const json_t *names, int64_t timeout_ms,
                                   struct stf_err *err);

/* The two resources; resource signatures (binding.h). */
enum stf_kind stf_ipsec_connection_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                        struct stf_err *err);
enum stf_kind stf_ipsec_connection_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                         struct stf_err *err);
/* {"id", "state"}: the first setting in which the connection's file is not as that state would be written
 * (connection_edit.h); a verb. */
enum stf_kind stf_ipsec_verb_connection_edit(void *self, const struct stf_host *host, const json_t *args,
                                             json_t **result, struct stf_err *err);
char *stf_ipsec_connection_describe(const json_t *id, const json_t *state);

enum stf_kind stf_ipsec_secret_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                    struct stf_err *err);
enum stf_kind stf_ipsec_secret_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                     struct stf_err *err);
/* The document that is in a secret's note, and what charon calls the key ("" where it has no name); STF_CONFLICT for a
 * note that is not as we write it. `*document` is a new reference. */
enum stf_kind stf_ipsec_secret_parse(const char *text, const char *path, json_t **document,
                                     char key_id[static STF_CHARON_KEY_ID_SIZE], struct stf_err *err);

/* The command that gives charon the secret which is in the document's file, and its message; fini wipes it. */
enum stf_kind stf_ipsec_secret_encode(const struct stf_host *host, const char *name, const json_t *document,
                                      const char **command, struct stf_vici_message *message, struct stf_err *err);

char *stf_ipsec_secret_describe(const json_t *id, const json_t *state);
