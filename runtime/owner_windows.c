/* owner_windows.c - who runs the program, and who may have written a script, by its owner and access control list.
 * SPDX-License-Identifier: MIT
 */
#include "owner.h"

#include <io.h>

#include <aclapi.h>
#include <windows.h>

#include "runtime.h"

enum { WRITING = FILE_WRITE_DATA | FILE_APPEND_DATA | WRITE_DAC | WRITE_OWNER | DELETE | GENERIC_WRITE | GENERIC_ALL };

struct user {
    TOKEN_USER who;
    BYTE sid[SECURITY_MAX_SID_SIZE];
};

static bool get_user(struct user *user)
{
    HANDLE token;
    DWORD size;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return false;
    bool is_ok = GetTokenInformation(token, TokenUser, user, sizeof *user, &size);
    CloseHandle(token);
    return is_ok;
}

/* The system, its administrators, the user who runs the program, and those who stand for the owner. */
static bool is_trusted(PSID sid, const struct user *user)
{
    static const WELL_KNOWN_SID_TYPE types[] = {WinLocalSystemSid, WinBuiltinAdministratorsSid, WinCreatorOwnerSid,
                                                WinCreatorOwnerRightsSid};
    /* NT SERVICE\TrustedInstaller owns what Windows itself has installed. */
    static const DWORD installer[] = {80, 956008885, 3418522649, 1831038044, 1853292631, 2271478464};
    if (EqualSid(sid, user->who.User.Sid))
        return true;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (IsWellKnownSid(sid, types[i]))
            return true;
    bool is_installer = *GetSidSubAuthorityCount(sid) == sizeof installer / sizeof *installer;
    for (DWORD i = 0; is_installer && i < sizeof installer / sizeof *installer; i++)
        is_installer = *GetSidSubAuthority(sid, i) == installer[i];
    return is_installer;
}

/* A list that is not there lets everybody in. */
static bool can_others_write(PACL list, const struct user *user)
{
    ACL_SIZE_INFORMATION info = {0};
    if (!list || !GetAclInformation(list, &info, sizeof info, AclSizeInformation))
        return true;
    for (DWORD i = 0; i < info.AceCount; i++) {
        ACCESS_ALLOWED_ACE *entry;
        if (!GetAce(list, i, (void **)&entry))
            return true;
        bool is_allowing = entry->Header.AceType == ACCESS_ALLOWED_ACE_TYPE &&
                           !(entry->Header.AceFlags & INHERIT_ONLY_ACE) && (entry->Mask & WRITING);
        if (is_allowing && !is_trusted((PSID)&entry->SidStart, user))
            return true;
    }
    return false;
}

enum stf_kind stf_owner_check(int fd, const char *path, struct stf_err *err)
{
    HANDLE file = (HANDLE)_get_osfhandle(fd);
    PSECURITY_DESCRIPTOR descriptor = NULL;
    PSID owner = NULL;
    PACL list = NULL;
    struct user user;
    enum stf_kind kind = STF_OK;

    if (GetFileType(file) != FILE_TYPE_DISK)
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", path, "%s is not a regular file", path);
    DWORD status = GetSecurityInfo(file, SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, &owner,
                                   NULL, &list, NULL, &descriptor);
    if (status != ERROR_SUCCESS || !get_user(&user))
        kind = stf_err_set(err, STF_IO, (int)status, "open", path, "cannot see who may write the script %s", path);
    else if (!is_trusted(owner, &user))
        kind = stf_err_set(err, STF_DENIED, 0, "open", path,
                           "%s belongs to another user; a script must belong to the administrators or to the user who "
                           "runs it: takeown /f %s",
                           path, path);
    else if (can_others_write(list, &user))
        kind = stf_err_set(err, STF_DENIED, 0, "open", path,
                           "%s can be written by others: look with icacls, and take their rights to write away", path);
    LocalFree(descriptor);
    return kind;
}

const char *stf_operator_name(void)
{
    static char name[256 * 3];
    DWORD size = sizeof name;
    return GetUserNameA(name, &size) ? name : "unknown";
}
