/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/dbus-error.h"

/* One entry a name, one name an errno. */
static const sd_bus_error_map error_map[] = {
        SD_BUS_ERROR_MAP(ERROR_NO_SUCH_SERVICE, ENOENT),
        SD_BUS_ERROR_MAP(ERROR_AMBIGUOUS_NAME, ENOTUNIQ),
        SD_BUS_ERROR_MAP(ERROR_NO_SUCH_ACTION, ENXIO),
        SD_BUS_ERROR_MAP(ERROR_NO_SUCH_EVENT, ENODATA),
        SD_BUS_ERROR_MAP(ERROR_NOT_GRANTED, EPERM),
        SD_BUS_ERROR_MAP(ERROR_PROTECTED, EROFS),
        SD_BUS_ERROR_MAP(ERROR_MAINTENANCE, EAGAIN),
        SD_BUS_ERROR_MAP(ERROR_BUSY, EBUSY),
        SD_BUS_ERROR_MAP(ERROR_DEPENDENCY_UNMET, EHOSTDOWN),
        SD_BUS_ERROR_MAP(ERROR_SHUTTING_DOWN, ESHUTDOWN),
        SD_BUS_ERROR_MAP(ERROR_NOT_CONNECTED, ENOTCONN),
        SD_BUS_ERROR_MAP(ERROR_INVALID_ARGUMENT, EINVAL),
        SD_BUS_ERROR_MAP(ERROR_LIMIT_REACHED, EDQUOT),
        SD_BUS_ERROR_MAP(ERROR_DENIED, EACCES),
        SD_BUS_ERROR_MAP(ERROR_AUTHORIZATION_REQUIRED, ENOKEY),
        SD_BUS_ERROR_MAP(ERROR_AUTHORIZATION_DISMISSED, ECANCELED),
        SD_BUS_ERROR_MAP(ERROR_LOG_UNAVAILABLE, EIO),
        SD_BUS_ERROR_MAP(ERROR_INTERNAL, ENOTRECOVERABLE),
        SD_BUS_ERROR_MAP_END,
};

int dbus_error_register(void) {
        return sd_bus_error_add_map(error_map);
}

/* Errors of the kernel and of libraries that mean one of ours. */
static int canonical_errno(int error) {
        switch (error) {
        case ENOSPC:
        case ENOBUFS:
        case EMFILE:
        case ENFILE:
                return EDQUOT;
        case E2BIG:
        case ERANGE:
        case EBADMSG:
                return EINVAL;
        default:
                return error;
        }
}

int dbus_error_set_errno(sd_bus_error *e, int error, const char *text) {
        const char *name = ERROR_INTERNAL;

        assert(error < 0);
        error = -canonical_errno(-error);
        for (const sd_bus_error_map *m = error_map; m->code != -1 && m->name; m++)
                if (m->code == -error)
                        name = m->name;
        sd_bus_error_setf(e, name, "%s", text ?: strerrordesc_np(-error) ?: "Unknown error");
        return error;
}

const char *const *dbus_error_names(void) {
        static const char *names[ELEMENTSOF(error_map)];

        for (size_t i = 0; i + 1 < ELEMENTSOF(error_map); i++)
                names[i] = error_map[i].name;
        return names;
}
