/* system.h - the binding for facts about a host, commands, and files. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

extern const struct stf_binding stf_system_binding;
