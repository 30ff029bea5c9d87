/* windows_read.h - what a Windows host's own tools say about its connection security rules, as documents.
 * Must never touch a host. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include <staffetta/err.h>

/* All give a list, a new reference, of {"name": TEXT, "is_ours": BOOL, "members": {KEY: TEXT or [TEXT]}}; ours begin
 * with "staffetta-". Pre-shared keys, which netsh shows, are left out. STF_INVALID_DATA for what is not of that form.
 */

/* What `netsh advfirewall consec show rule name=all verbose` prints in English: blocks of "Key:   value" that begin
 * with "Rule Name:", an indented line without a key goes on with the value before. A key that occurs twice has a list.
 */
enum stf_kind stf_windows_read_consec(const char *text, size_t size, json_t **rules, struct stf_err *err);

/* What `netsh ipsec static show policy|filterlist|filteraction all level=verbose` print in English, one after the
 * other: lines "Key   : value", of which "Policy Name", "Rule Name", "FilterList Name" and "FilterAction Name" begin
 * something and "Mirrored" a filter of a list. No reference documents this: the form is that of published transcripts.
 * Each of the list has a member more, "kind": "policy", "rule", "filterlist" or "filteraction"; a rule's members have
 * the names of its policy, list and action, a filter list has "filters": [{KEY: TEXT}]. STF_IO when netsh says that it
 * could not open the store. */
enum stf_kind stf_windows_read_static(const char *text, size_t size, json_t **objects, struct stf_err *err);

/* What the "show" script of PowerShell prints: JSON, one object or a list of them, each with a "name"; a byte order
 * mark may precede it. Members that are neither text, number, boolean nor a list of these are left out. */
enum stf_kind stf_windows_read_powershell(const char *text, size_t size, json_t **rules, struct stf_err *err);
