/*
 * Numbers of modules and methods. As in DAOS 0.8 to 1.0.
 *
 * Generated from the Rust sources: see headers/.
 */
#ifndef __DAOS_DRPC_MODULES_H__
#define __DAOS_DRPC_MODULES_H__

/** Modules. */
enum drpc_module {
        DRPC_MODULE_TEST = 0,
        DRPC_MODULE_SEC_AGENT = 1,
        DRPC_MODULE_MGMT = 2,
        DRPC_MODULE_SRV = 3,
        DRPC_MODULE_SEC = 4,
        NUM_DRPC_MODULES = 5,
};

/** Methods of DRPC_MODULE_SEC_AGENT. NUM_... is the last number plus one, not a count. */
enum drpc_sec_agent_method {
        DRPC_METHOD_SEC_AGENT_REQUEST_CREDS = 101,
        NUM_DRPC_SEC_AGENT_METHODS = 102,
};

/** Methods of DRPC_MODULE_MGMT. NUM_... is the last number plus one, not a count. */
enum drpc_mgmt_method {
        DRPC_METHOD_MGMT_KILL_RANK = 201,
        DRPC_METHOD_MGMT_SET_RANK = 202,
        DRPC_METHOD_MGMT_CREATE_MS = 203,
        DRPC_METHOD_MGMT_START_MS = 204,
        DRPC_METHOD_MGMT_JOIN = 205,
        DRPC_METHOD_MGMT_GET_ATTACH_INFO = 206,
        DRPC_METHOD_MGMT_POOL_CREATE = 207,
        DRPC_METHOD_MGMT_POOL_DESTROY = 208,
        DRPC_METHOD_MGMT_SET_UP = 209,
        DRPC_METHOD_MGMT_BIO_HEALTH_QUERY = 210,
        DRPC_METHOD_MGMT_SMD_LIST_DEVS = 211,
        DRPC_METHOD_MGMT_SMD_LIST_POOLS = 212,
        DRPC_METHOD_MGMT_POOL_GET_ACL = 213,
        DRPC_METHOD_MGMT_LIST_POOLS = 214,
        DRPC_METHOD_MGMT_POOL_OVERWRITE_ACL = 215,
        DRPC_METHOD_MGMT_POOL_UPDATE_ACL = 216,
        DRPC_METHOD_MGMT_POOL_DELETE_ACL = 217,
        DRPC_METHOD_MGMT_PREP_SHUTDOWN = 218,
        NUM_DRPC_MGMT_METHODS = 219,
};

/** Methods of DRPC_MODULE_SRV. NUM_... is the last number plus one, not a count. */
enum drpc_srv_method {
        DRPC_METHOD_SRV_NOTIFY_READY = 301,
        DRPC_METHOD_SRV_BIO_ERR = 302,
        NUM_DRPC_SRV_METHODS = 303,
};

/** Methods of DRPC_MODULE_SEC. NUM_... is the last number plus one, not a count. */
enum drpc_sec_method {
        DRPC_METHOD_SEC_VALIDATE_CREDS = 401,
        NUM_DRPC_SEC_METHODS = 402,
};

/** Methods of DRPC_MODULE_MGMT that 0.9 and 1.0 added. DAOS 1.2 and later give 221 to 224 another meaning. */
enum drpc_mgmt_method_1_0 {
        DRPC_METHOD_MGMT_DEV_STATE_QUERY = 219,
        DRPC_METHOD_MGMT_DEV_SET_FAULTY = 220,
        DRPC_METHOD_MGMT_LIST_CONTAINERS = 221,
        DRPC_METHOD_MGMT_POOL_QUERY = 222,
        DRPC_METHOD_MGMT_POOL_SET_PROP = 223,
        DRPC_METHOD_MGMT_PING_RANK = 224,
};

#endif /* __DAOS_DRPC_MODULES_H__ */
