/* paths.h - where a machine's own configuration and state are. Constants only. SPDX-License-Identifier: MIT */
#pragma once

#ifdef _WIN32
#define STF_CONFIG_DIR "C:/ProgramData/staffetta"
#define STF_DEFAULT_STATE_DIR "C:/ProgramData/staffetta/state"
#else
#define STF_CONFIG_DIR "/etc/staffetta"
#define STF_DEFAULT_STATE_DIR "/var/lib/staffetta"
#endif
#define STF_DEFAULT_SITE_DIR STF_CONFIG_DIR "/site"
