/* connection.h - the connection document: what a policy becomes on one host towards one peer.
 * Must never touch a daemon or a file. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include <staffetta/err.h>

/* What the daemon at hand can do; it decides how a document is rendered, never whether it is valid. */
struct stf_ipsec_engine {
    bool is_userland;     /* ESP in the daemon (plugin kernel-libipsec): tunnel in UDP only, and no trap policies */
    bool allow_tunnel;    /* the host's ipsec.allow_tunnel: transport mode may become a tunnel on such an engine */
    const char *site_dir; /* relative paths of certificates start here */
};

/* A name that IKE identifies a peer by: letters, digits and . - _ @ :, as one string. */
bool stf_ipsec_is_identity(const json_t *value);

/* README.md describes the document. STF_INVALID_DATA names the member, what stood there and what was expected. With
 * IKEv1 one proposal of each list must be left that it can do; the others are not rendered. */
enum stf_kind stf_connection_validate(const json_t *document, struct stf_err *err);

/* The proposals of a valid document that its version of IKE can not do, as "ike_proposals: WORDS"; a new reference. */
json_t *stf_connection_left_out(const json_t *document);

/* A valid document as swanctl's tree { name: { local_addrs: [..], children: {..}, .. } }: the content of VICI's
 * load-conn and, as text, of `connections { }`; certificates are named by their paths, as swanctl takes them, where
 * VICI wants their content. STF_UNSUPPORTED, with the remedy, when the engine can not do it.
 * `*tree` is a new reference. */
enum stf_kind stf_connection_render(const char *name, const json_t *document, const struct stf_ipsec_engine *engine,
                                    json_t **tree, struct stf_err *err);

/* The file that keeps a connection: `tree` in swanctl.conf's syntax, so that a reboot loads it, under comment lines
 * with the document itself and a checksum. The string is malloc'ed; NULL when memory is out. */
char *stf_connection_file_text(const json_t *document, const json_t *tree);

/* The same file with another document over the tree that is in it; `text` must have been parsed without error. */
char *stf_connection_file_redocument(const char *text, const json_t *document);

/* The document back. STF_CONFLICT for a file that is not ours or was edited since we wrote it; `path` is for messages.
 * `*document` is a new reference. */
enum stf_kind stf_connection_file_parse(const char *text, const char *path, json_t **document, struct stf_err *err);

/* Whether `live`, a connection as list-conns shows it, is the one that the document describes, as far as charon tells:
 * it does not show proposals. */
bool stf_connection_is_live(const json_t *document, const json_t *live);

/* "client 10.9.0.1 -> 10.9.0.100 tcp/110,143 require"; malloc'ed, NULL when memory is out. */
char *stf_connection_summary(const json_t *document);
