/*
 * The registry of handlers by module. As in DAOS 0.8 to 1.0.
 *
 * Generated from the Rust sources: see headers/.
 */
#ifndef __DAOS_DRPC_HANDLER_H__
#define __DAOS_DRPC_HANDLER_H__

#include <daos/drpc.h>

#ifndef __DSS_API_H__
/** A module's number and its handler. Arrays of them end with an entry whose handler is NULL. */
struct dss_drpc_handler {
        /** Number of the module. */
        int module_id;
        /** The function that serves the module's calls. */
        drpc_handler_t handler;
};
#endif /* __DSS_API_H__ */

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Initialises the registry, or empties it. Call it before any other function of this header.
 *
 * Returns 0. Like all functions of this header it may be called by any thread.
 *
 * (DAOS: src/iosrv/drpc_handler.c in 0.8, src/engine/drpc_handler.c since 1.2.)
 */
int drpc_hdlr_init(void);

/**
 * Empties the registry. Registering fails until drpc_hdlr_init is called again.
 *
 * Returns 0.
 */
int drpc_hdlr_fini(void);

/**
 * Registers the handler of a module.
 *
 * Returns 0; -DER_UNINIT before drpc_hdlr_init; -DER_INVAL if the module is none of DRPC_MODULE_... or the handler
 * is NULL; -DER_EXIST if the module has a handler, which it keeps.
 */
int drpc_hdlr_register(int module_id,
                       drpc_handler_t handler);

/**
 * Registers the handlers of an array that ends with an entry whose handler is NULL. NULL is an empty array. The
 * array stays the caller's.
 *
 * Every entry is tried. Returns 0, or the error of the last entry that failed: see drpc_hdlr_register.
 */
int drpc_hdlr_register_all(struct dss_drpc_handler *handlers);

/** Returns the handler of a module; NULL if it has none. */
drpc_handler_t drpc_hdlr_get_handler(int module_id);

/**
 * Removes a module's handler from the registry, if it has one.
 *
 * Returns 0; -DER_UNINIT before drpc_hdlr_init; -DER_INVAL if the module is none of DRPC_MODULE_...
 */
int drpc_hdlr_unregister(int module_id);

/**
 * Removes the modules of an array from the registry; the array is as for drpc_hdlr_register_all.
 *
 * Returns 0, also if an entry is wrong; -DER_UNINIT before drpc_hdlr_init.
 */
int drpc_hdlr_unregister_all(struct dss_drpc_handler *handlers);

/**
 * Serves a call with the handler of its module; may itself be given to drpc_listen as the handler. A call for a module
 * without a handler gets DRPC__STATUS__UNKNOWN_MODULE.
 */
void drpc_hdlr_process_msg(Drpc__Call *request,
                           Drpc__Response *resp);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* __DAOS_DRPC_HANDLER_H__ */
