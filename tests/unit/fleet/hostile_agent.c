/* hostile_agent.c - agents that break the protocol, one way each, named by the first argument.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fleet/message.h"

static void send_document(json_t *document)
{
    struct stf_buffer out = {0};
    if (stf_message_append(&out, document, NULL) == STF_OK && write(STDOUT_FILENO, out.bytes, out.size) < 0)
        perror("write");
    stf_buffer_fini(&out);
    json_decref(document);
}

static void send_bytes(const void *bytes, size_t size)
{
    if (write(STDOUT_FILENO, bytes, size) < 0)
        perror("write");
}

static void await_request(void)
{
    char bytes[4096];
    if (read(STDIN_FILENO, bytes, sizeof bytes) < 0)
        perror("read");
}

static void say_hello(int protocol)
{
    await_request();
    send_document(
        json_pack("{s:i, s:{s:i, s:s, s:i}}", "id", 1, "result", "protocol", protocol, "program", "0.0", "pid", 1));
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    if (strcmp(way, "greets") == 0) { /* a login shell that is talkative */
        send_bytes("Welcome to this host!\n", 22);
        await_request();
        return 0;
    }
    if (strcmp(way, "dies") == 0) {
        fputs("staffetta: not found\n", stderr);
        return 127;
    }
    if (strcmp(way, "is-silent") == 0) {
        await_request();
        pause();
    }
    if (strcmp(way, "is-older") == 0) {
        await_request();
        send_document(json_pack("{s:i, s:{s:s, s:s}}", "id", 1, "error", "kind", "unsupported", "message",
                                "this agent is Staffetta 0.0 and speaks protocol 0"));
        return 1;
    }
    say_hello(strcmp(way, "is-newer") == 0 ? STF_PROTOCOL + 1 : STF_PROTOCOL);
    await_request();
    if (strcmp(way, "invents-an-answer") == 0)
        send_document(json_pack("{s:i, s:i}", "id", 4711, "result", 1));
    if (strcmp(way, "repeats-an-answer") == 0) {
        send_document(json_pack("{s:i, s:i}", "id", 2, "result", 1));
        send_document(json_pack("{s:i, s:i}", "id", 2, "result", 2));
    }
    if (strcmp(way, "says-nothing") == 0)
        send_document(json_pack("{s:i}", "id", 2));
    if (strcmp(way, "is-huge") == 0)
        send_bytes("\xff\xff\xff\xff", 4);
    if (strcmp(way, "claims-much") == 0) /* an array of 2^32-1 values in five bytes */
        send_bytes("\0\0\0\5\xdd\xff\xff\xff\xff", 9);
    if (strcmp(way, "nests-deep") == 0) {
        char deep[1004] = "\0\0\3\xe8";
        memset(deep + 4, '\x91', 1000);
        send_bytes(deep, sizeof deep);
    }
    await_request();
    return 0;
}
