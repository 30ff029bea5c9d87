# Run by CPack on the tree that it packs: manual pages are compressed, as Debian has them, and with SOURCE_DATE_EPOCH
# all files of a package have one time.
execute_process(COMMAND find ${CPACK_TEMPORARY_INSTALL_DIRECTORY} -type f -path */share/man/* -exec gzip -9n {} +
                COMMAND_ERROR_IS_FATAL ANY)
if(DEFINED ENV{SOURCE_DATE_EPOCH})
    execute_process(COMMAND find ${CPACK_TEMPORARY_INSTALL_DIRECTORY} -exec touch -h -d @$ENV{SOURCE_DATE_EPOCH} {} +
                    COMMAND_ERROR_IS_FATAL ANY)
endif()
