/* vip.h - the binding that sees, takes and releases virtual IP addresses. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

extern const struct stf_binding stf_vip_binding;
