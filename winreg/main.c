/* main.c - staffetta-winreg: carries winreg calls, which the program has put together, to a host through Samba's
 * libdcerpc. Frames come on standard input and go to standard output (bindings/registry/remote_protocol.h). Must never
 * write a password anywhere, and understands nothing of what it carries.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <talloc.h>
#include <tevent.h>

#include <core/ntstatus.h>
#include <credentials.h>
#include <dcerpc.h>
#include <param.h>

#include "registry/remote_protocol.h"

struct helper {
    int out_fd;
    TALLOC_CTX *memory;
    struct dcerpc_pipe *pipe; /* NULL before CONNECT */
    const char *why;          /* says more than the status of a failure, unless NULL */
};

static const struct ndr_interface_table winreg_table = {
    .name = "winreg",
    .syntax_id = {{0x338cd001, 0x2244, 0x31f1, {0xaa, 0xaa}, {0x90, 0x00, 0x38, 0x00, 0x10, 0x03}}, 1},
    .helpstring = "Remote Registry Service",
};

/* ---- frames ---- */

/* False at the end of the input. */
static bool read_whole(void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(STDIN_FILENO, (char *)bytes + done, size - done);
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        done += got > 0 ? (size_t)got : 0;
    }
    return true;
}

static bool write_whole(int fd, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t put = write(fd, (const char *)bytes + done, size - done);
        if (put < 0 && errno != EINTR)
            return false;
        done += put > 0 ? (size_t)put : 0;
    }
    return true;
}

static bool send_frame(const struct helper *helper, const struct stf_remote_header *header, const void *payload)
{
    uint8_t bytes[STF_REMOTE_HEADER_SIZE + 256];
    size_t first = header->size < 256 ? header->size : 0; /* small frames in one piece */

    stf_remote_header_put(bytes, header);
    if (first > 0)
        memcpy(bytes + STF_REMOTE_HEADER_SIZE, payload, first);
    return write_whole(helper->out_fd, bytes, STF_REMOTE_HEADER_SIZE + first) &&
           (first == header->size || write_whole(helper->out_fd, payload, header->size));
}

static bool send_failed(const struct helper *helper, uint32_t id, NTSTATUS status)
{
    const char *text = helper->why != NULL ? helper->why : get_friendly_nt_error_msg(status);
    struct stf_remote_header header = {STF_REMOTE_FAILED, id, NT_STATUS_V(status), (uint32_t)strlen(text)};

    return send_frame(helper, &header, text);
}

/* ---- the connection ---- */

static NTSTATUS set_credentials(struct cli_credentials *credentials, struct loadparm_context *settings,
                                const struct stf_remote_connect *connect)
{
    if (connect->use_kerberos) {
        return cli_credentials_guess(credentials, settings) &&
                       cli_credentials_set_kerberos_state(credentials, CRED_USE_KERBEROS_REQUIRED, CRED_SPECIFIED)
                   ? NT_STATUS_OK
                   : NT_STATUS_NO_MEMORY;
    }
    return cli_credentials_set_conf(credentials, settings) &&
                   cli_credentials_set_username(credentials, connect->user, CRED_SPECIFIED) &&
                   cli_credentials_set_password(credentials, connect->password, CRED_SPECIFIED) &&
                   (*connect->domain == '\0' ||
                    cli_credentials_set_domain(credentials, connect->domain, CRED_SPECIFIED)) &&
                   cli_credentials_set_kerberos_state(credentials, CRED_USE_KERBEROS_DISABLED, CRED_SPECIFIED)
               ? NT_STATUS_OK
               : NT_STATUS_NO_MEMORY;
}

/* The machine's smb.conf counts where it exists; that the wire is signed, and encrypted where the other side can, does
 * not depend on it. */
static struct loadparm_context *load_settings(TALLOC_CTX *memory, const struct stf_remote_connect *connect)
{
    struct loadparm_context *settings = loadparm_init_global(false);
    char *port = talloc_asprintf(memory, "%u", connect->port);

    if (settings == NULL || port == NULL)
        return NULL;
    lpcfg_load_default(settings); /* fails where there is no smb.conf: defaults are fine */
    if (!lpcfg_set_cmdline(settings, "client ipc signing", "required") ||
        !lpcfg_set_cmdline(settings, "client smb encrypt", "desired") ||
        (connect->port != 0 && !lpcfg_set_cmdline(settings, "smb ports", port)))
        return NULL;
    return settings;
}

static NTSTATUS open_pipe(struct helper *helper, const struct stf_remote_connect *connect)
{
    struct loadparm_context *settings = load_settings(helper->memory, connect);
    struct tevent_context *events = tevent_context_init(helper->memory);
    struct cli_credentials *credentials = cli_credentials_init(helper->memory);
    struct dcerpc_binding *binding = NULL;
    NTSTATUS status;

    if (settings == NULL || events == NULL || credentials == NULL)
        return NT_STATUS_NO_MEMORY;
    status = dcerpc_init(); /* the authentication mechanisms */
    if (NT_STATUS_IS_OK(status))
        status = set_credentials(credentials, settings, connect);
    if (NT_STATUS_IS_OK(status))
        status = dcerpc_parse_binding(helper->memory, "ncacn_np:", &binding);
    if (NT_STATUS_IS_OK(status))
        status = dcerpc_binding_set_string_option(binding, "host", connect->host);
    if (NT_STATUS_IS_OK(status))
        status = dcerpc_binding_set_string_option(binding, "endpoint", "\\pipe\\winreg");
    if (NT_STATUS_IS_OK(status)) {
        status =
            dcerpc_pipe_connect_b(helper->memory, &helper->pipe, binding, &winreg_table, credentials, events, settings);
    }
    if (connect->use_kerberos && NT_STATUS_EQUAL(status, NT_STATUS_INVALID_PARAMETER)) { /* no mechanism was left */
        helper->why = "Kerberos needs a ticket (kinit), and the host's name in its realm instead of an address";
        return NT_STATUS_LOGON_FAILURE;
    }
    if (NT_STATUS_IS_OK(status))
        dcerpc_binding_handle_set_timeout(helper->pipe->binding_handle, connect->deadline_ms / 1000 + 2);
    return status;
}

/* Samba 4.17 calls a refused connection "no memory", and a host without an address "object name not found". */
static NTSTATUS why_unreachable(const struct stf_remote_connect *wanted, NTSTATUS status)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const struct timeval limit = {.tv_sec = 2};
    struct addrinfo *addresses = NULL;
    char port[8];
    bool is_reached = false;

    if (!NT_STATUS_EQUAL(status, NT_STATUS_NO_MEMORY) && !NT_STATUS_EQUAL(status, NT_STATUS_OBJECT_NAME_NOT_FOUND))
        return status;
    snprintf(port, sizeof(port), "%u", wanted->port != 0 ? wanted->port : 445u);
    if (getaddrinfo(wanted->host, port, &hints, &addresses) != 0)
        return NT_STATUS_BAD_NETWORK_PATH;
    for (const struct addrinfo *at = addresses; at != NULL && !is_reached; at = at->ai_next) {
        int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd >= 0) {
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* bounds connect(2) too */
            is_reached = connect(fd, at->ai_addr, at->ai_addrlen) == 0;
            close(fd);
        }
    }
    freeaddrinfo(addresses);
    return is_reached ? status : NT_STATUS_CONNECTION_REFUSED;
}

static bool answer_connect(struct helper *helper, const struct stf_remote_header *header, const uint8_t *payload)
{
    struct stf_remote_header done = {STF_REMOTE_CONNECTED, header->id, 0, 0};
    struct stf_bytes_in in = {.bytes = payload, .size = header->size};
    struct stf_remote_connect connect;
    NTSTATUS status = NT_STATUS_INVALID_PARAMETER;

    if (helper->pipe == NULL && stf_remote_connect_get(&in, &connect))
        status = why_unreachable(&connect, open_pipe(helper, &connect));
    explicit_bzero(&connect, sizeof(connect));
    return NT_STATUS_IS_OK(status) ? send_frame(helper, &done, NULL) : send_failed(helper, header->id, status);
}

static bool answer_call(struct helper *helper, const struct stf_remote_header *header, const uint8_t *payload)
{
    struct stf_remote_header reply = {STF_REMOTE_REPLY, header->id, 0, 0};
    TALLOC_CTX *memory = talloc_new(helper->memory);
    uint8_t *results = NULL;
    size_t size = 0;
    uint32_t flags = 0;
    NTSTATUS status = NT_STATUS_CONNECTION_INVALID;
    bool is_sent;

    if (helper->pipe != NULL && memory != NULL) {
        status = dcerpc_binding_handle_raw_call(helper->pipe->binding_handle, NULL, header->value, 0, payload,
                                                header->size, memory, &results, &size, &flags);
    }
    if (NT_STATUS_IS_OK(status) && (size > STF_REMOTE_PAYLOAD_MAX || (flags & DCERPC_PULL_BIGENDIAN) != 0))
        status = NT_STATUS_NOT_SUPPORTED;
    reply.size = (uint32_t)size;
    is_sent = NT_STATUS_IS_OK(status) ? send_frame(helper, &reply, results) : send_failed(helper, header->id, status);
    talloc_free(memory);
    return is_sent;
}

/* False at the end of the input, and for what a program of this version does not say. */
static bool answer_next(struct helper *helper)
{
    uint8_t bytes[STF_REMOTE_HEADER_SIZE];
    struct stf_remote_header header;
    uint8_t *payload;
    bool is_answered = false;

    if (!read_whole(bytes, sizeof(bytes)) || !stf_remote_header_get(bytes, &header))
        return false;
    payload = malloc((size_t)header.size + 1);
    if (payload != NULL && read_whole(payload, header.size)) {
        if (header.message == STF_REMOTE_CONNECT) {
            is_answered = answer_connect(helper, &header, payload);
            explicit_bzero(payload, header.size);
        } else if (header.message == STF_REMOTE_CALL) {
            is_answered = answer_call(helper, &header, payload);
        }
    }
    free(payload);
    return is_answered;
}

int main(void)
{
    struct stf_remote_header hello = {STF_REMOTE_HELLO, 0, 0, 0};
    struct helper helper = {.memory = talloc_new(NULL)};

    if (isatty(STDIN_FILENO)) {
        fputs("staffetta-winreg is started by staffetta, to reach the registry of another host.\n", stderr);
        return 2;
    }
    /* What a library prints must not get between the frames. */
    helper.out_fd = dup(STDOUT_FILENO);
    if (helper.out_fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 || helper.memory == NULL)
        return 1;
    if (send_frame(&helper, &hello, NULL)) {
        while (answer_next(&helper)) {
        }
    }
    talloc_free(helper.memory);
    return 0;
}
