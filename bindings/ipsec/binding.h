/* binding.h - the ipsec binding, for the runtime's table. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

extern const struct stf_binding stf_ipsec_binding;
