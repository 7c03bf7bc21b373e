//! The numbers of modules and methods.
//!
//! A name has the same number in every release that has it, but for the four in [`mgmt::before_1_2`]: DAOS 1.2 put
//! `DEV_REPLACE` before them and moved them up by one. (DAOS: `daos/drpc_modules.h`.)

pub mod names;
pub mod v0_8;
pub mod v2_8;

/// The number of the module for tests, which the examples use, too.
pub const TEST: i32 = 0;

/// The agent's security service.
pub mod sec_agent {
    /// Number of the module.
    pub const MODULE: i32 = 1;

    /// Request credentials.
    pub const REQUEST_CREDS: i32 = 101;
}

/// Management: of an engine, and of the agent.
pub mod mgmt {
    /// Number of the module.
    pub const MODULE: i32 = 2;

    /// Kill rank.
    pub const KILL_RANK: i32 = 201;
    /// Set rank.
    pub const SET_RANK: i32 = 202;
    /// Create management service. Up to 2.2.0.
    pub const CREATE_MS: i32 = 203;
    /// Start management service. Up to 2.2.0.
    pub const START_MS: i32 = 204;
    /// Join. Up to 2.2.0.
    pub const JOIN: i32 = 205;
    /// Get attach info.
    pub const GET_ATTACH_INFO: i32 = 206;
    /// Pool create.
    pub const POOL_CREATE: i32 = 207;
    /// Pool destroy.
    pub const POOL_DESTROY: i32 = 208;
    /// Set up.
    pub const SET_UP: i32 = 209;
    /// Block I/O health query.
    pub const BIO_HEALTH_QUERY: i32 = 210;
    /// SMD list devices.
    pub const SMD_LIST_DEVS: i32 = 211;
    /// SMD list pools.
    pub const SMD_LIST_POOLS: i32 = 212;
    /// Pool get ACL.
    pub const POOL_GET_ACL: i32 = 213;
    /// List pools. Up to 2.2.0.
    pub const LIST_POOLS: i32 = 214;
    /// Pool overwrite ACL.
    pub const POOL_OVERWRITE_ACL: i32 = 215;
    /// Pool update ACL.
    pub const POOL_UPDATE_ACL: i32 = 216;
    /// Pool delete ACL.
    pub const POOL_DELETE_ACL: i32 = 217;
    /// Prepare shutdown.
    pub const PREP_SHUTDOWN: i32 = 218;
    /// Device state query. Since 0.9.4. Up to 2.2.0.
    pub const DEV_STATE_QUERY: i32 = 219;
    /// Device set faulty. Since 0.9.4.
    pub const DEV_SET_FAULTY: i32 = 220;
    /// Device replace. Since 1.2.0.
    pub const DEV_REPLACE: i32 = 221;
    /// List containers. Since 1.2.0 this number.
    pub const LIST_CONTAINERS: i32 = 222;
    /// Pool query. Since 1.2.0 this number.
    pub const POOL_QUERY: i32 = 223;
    /// Pool set property. Since 1.2.0 this number.
    pub const POOL_SET_PROP: i32 = 224;
    /// Ping rank. Since 1.2.0 this number.
    pub const PING_RANK: i32 = 225;
    /// Reintegrate. Since 1.2.0. Up to 2.6.0.
    pub const REINTEGRATE: i32 = 226;
    /// Pool reintegrate. Since 2.6.5.
    pub const POOL_REINT: i32 = 226;
    /// Container set owner. Since 1.2.0.
    pub const CONT_SET_OWNER: i32 = 227;
    /// Exclude. Since 1.2.0. Up to 2.6.0.
    pub const EXCLUDE: i32 = 228;
    /// Pool exclude. Since 2.6.5.
    pub const POOL_EXCLUDE: i32 = 228;
    /// Extend. Since 1.2.0. Up to 2.6.0.
    pub const EXTEND: i32 = 229;
    /// Pool extend. Since 2.6.5.
    pub const POOL_EXTEND: i32 = 229;
    /// Pool evict. Since 1.2.0.
    pub const POOL_EVICT: i32 = 230;
    /// Drain. Since 1.2.0. Up to 2.6.0.
    pub const DRAIN: i32 = 231;
    /// Pool drain. Since 2.6.5.
    pub const POOL_DRAIN: i32 = 231;
    /// Group update. Since 1.2.0.
    pub const GROUP_UPDATE: i32 = 232;
    /// Notify exit. Since 1.2.0.
    pub const NOTIFY_EXIT: i32 = 233;
    /// Device identify. Since 1.2.0. Up to 2.2.0.
    pub const DEV_IDENTIFY: i32 = 234;
    /// Notify pool connect. Since 1.2.0.
    pub const NOTIFY_POOL_CONNECT: i32 = 235;
    /// Notify pool disconnect. Since 1.2.0.
    pub const NOTIFY_POOL_DISCONNECT: i32 = 236;
    /// Pool get property. Since 2.0.0.
    pub const POOL_GET_PROP: i32 = 237;
    /// Set log masks. Since 2.0.0.
    pub const SET_LOG_MASKS: i32 = 238;
    /// Pool upgrade. Since 2.2.0.
    pub const POOL_UPGRADE: i32 = 239;
    /// Pool query targets. Since 2.4.0.
    pub const POOL_QUERY_TARGETS: i32 = 240;
    /// LED manage. Since 2.4.0.
    pub const LED_MANAGE: i32 = 241;
    /// Check start. Since 2.6.0.
    pub const CHK_START: i32 = 242;
    /// Check stop. Since 2.6.0.
    pub const CHK_STOP: i32 = 243;
    /// Check query. Since 2.6.0.
    pub const CHK_QUERY: i32 = 244;
    /// Check property. Since 2.6.0.
    pub const CHK_PROP: i32 = 245;
    /// Check act. Since 2.6.0.
    pub const CHK_ACT: i32 = 246;
    /// Setup client telemetry. Since 2.6.0.
    pub const SETUP_CLIENT_TELEM: i32 = 247;
    /// Group status get. Since 2.8.0.
    pub const GROUP_STATUS_GET: i32 = 248;
    /// Check set policy. Since 2.8.0.
    pub const CHK_SET_POLICY: i32 = 249;
    /// Pool rebuild start. Since 2.8.0.
    pub const POOL_REBUILD_START: i32 = 250;
    /// Pool rebuild stop. Since 2.8.0.
    pub const POOL_REBUILD_STOP: i32 = 251;
    /// Pool self heal evaluation. Since 2.8.0.
    pub const POOL_SELF_HEAL_EVAL: i32 = 252;

    /// The numbers of DAOS 0.9 to 1.0 that have another meaning since 1.2.
    pub mod before_1_2 {
        /// List containers.
        pub const LIST_CONTAINERS: i32 = 221;
        /// Pool query.
        pub const POOL_QUERY: i32 = 222;
        /// Pool set property.
        pub const POOL_SET_PROP: i32 = 223;
        /// Ping rank.
        pub const PING_RANK: i32 = 224;
    }
}

/// The DAOS server, called by its engines.
pub mod srv {
    /// Number of the module.
    pub const MODULE: i32 = 3;

    /// Notify ready.
    pub const NOTIFY_READY: i32 = 301;
    /// Block I/O error. Up to 2.4.0.
    pub const BIO_ERR: i32 = 302;
    /// Get pool service. Since 1.2.0.
    pub const GET_POOL_SVC: i32 = 303;
    /// Cluster event. Since 1.2.0.
    pub const CLUSTER_EVENT: i32 = 304;
    /// Pool find by label. Since 2.0.0.
    pub const POOL_FIND_BYLABEL: i32 = 305;
    /// Check list pool. Since 2.6.0.
    pub const CHK_LIST_POOL: i32 = 306;
    /// Check register pool. Since 2.6.0.
    pub const CHK_REG_POOL: i32 = 307;
    /// Check deregister pool. Since 2.6.0.
    pub const CHK_DEREG_POOL: i32 = 308;
    /// Check report. Since 2.6.0.
    pub const CHK_REPORT: i32 = 309;
    /// List pools. Since 2.6.5.
    pub const LIST_POOLS: i32 = 310;
    /// Get system properties. Since 2.8.0.
    pub const GET_SYS_PROPS: i32 = 311;
}

/// The server's security service.
pub mod sec {
    /// Number of the module.
    pub const MODULE: i32 = 4;

    /// Validate credentials.
    pub const VALIDATE_CREDS: i32 = 401;
}

#[cfg(test)]
mod tests {
    use super::v0_8::drpc_mgmt_method as mgmt_0_8;
    use super::v0_8::drpc_mgmt_method_1_0 as mgmt_1_0;
    use super::v2_8::drpc_mgmt_method as mgmt_2_8;
    use super::*;

    /// The names in the table are Go's.
    #[test]
    fn the_numbers_of_the_go_package() {
        let numbers = [
            ("ModuleSecurityAgent", sec_agent::MODULE, 1),
            ("ModuleMgmt", mgmt::MODULE, 2),
            ("ModuleSrv", srv::MODULE, 3),
            ("ModuleSecurity", sec::MODULE, 4),
            ("the test module", TEST, 0),
            ("MethodRequestCredentials", sec_agent::REQUEST_CREDS, 101),
            ("MethodKillRank", mgmt::KILL_RANK, 201),
            ("MethodSetRank", mgmt::SET_RANK, 202),
            ("MethodCreateMS", mgmt::CREATE_MS, 203),
            ("MethodStartMS", mgmt::START_MS, 204),
            ("MethodJoin", mgmt::JOIN, 205),
            ("MethodGetAttachInfo", mgmt::GET_ATTACH_INFO, 206),
            ("MethodPoolCreate", mgmt::POOL_CREATE, 207),
            ("MethodPoolDestroy", mgmt::POOL_DESTROY, 208),
            ("MethodSetUp", mgmt::SET_UP, 209),
            ("MethodBioHealth", mgmt::BIO_HEALTH_QUERY, 210),
            ("MethodSmdDevs", mgmt::SMD_LIST_DEVS, 211),
            ("MethodSmdPools", mgmt::SMD_LIST_POOLS, 212),
            ("MethodPoolGetACL", mgmt::POOL_GET_ACL, 213),
            ("MethodListPools", mgmt::LIST_POOLS, 214),
            ("MethodPoolOverwriteACL", mgmt::POOL_OVERWRITE_ACL, 215),
            ("MethodPoolUpdateACL", mgmt::POOL_UPDATE_ACL, 216),
            ("MethodPoolDeleteACL", mgmt::POOL_DELETE_ACL, 217),
            ("MethodPrepShutdown", mgmt::PREP_SHUTDOWN, 218),
            ("MethodNotifyReady", srv::NOTIFY_READY, 301),
            ("MethodBIOError", srv::BIO_ERR, 302),
            ("MethodValidateCredentials", sec::VALIDATE_CREDS, 401),
        ];
        for (name, number, expected) in numbers {
            assert_eq!(number, expected, "{name}");
        }
    }

    #[test]
    fn the_tables_agree_where_the_releases_do() {
        assert_eq!(mgmt::KILL_RANK, mgmt_0_8::DRPC_METHOD_MGMT_KILL_RANK as i32);
        assert_eq!(mgmt::KILL_RANK, mgmt_2_8::DRPC_METHOD_MGMT_KILL_RANK as i32);
        assert_eq!(mgmt::PREP_SHUTDOWN, mgmt_0_8::DRPC_METHOD_MGMT_PREP_SHUTDOWN as i32);
        assert_eq!(mgmt::POOL_SELF_HEAL_EVAL, mgmt_2_8::DRPC_METHOD_MGMT_POOL_SELF_HEAL_EVAL as i32);
        assert_eq!(sec::MODULE, v0_8::drpc_module::DRPC_MODULE_SEC as i32);
    }

    #[test]
    fn four_numbers_moved_in_1_2() {
        use mgmt::before_1_2;
        let before = [
            (before_1_2::LIST_CONTAINERS, mgmt_1_0::DRPC_METHOD_MGMT_LIST_CONTAINERS as i32),
            (before_1_2::POOL_QUERY, mgmt_1_0::DRPC_METHOD_MGMT_POOL_QUERY as i32),
            (before_1_2::POOL_SET_PROP, mgmt_1_0::DRPC_METHOD_MGMT_POOL_SET_PROP as i32),
            (before_1_2::PING_RANK, mgmt_1_0::DRPC_METHOD_MGMT_PING_RANK as i32),
        ];
        let since = [
            (mgmt::LIST_CONTAINERS, mgmt_2_8::DRPC_METHOD_MGMT_LIST_CONTAINERS as i32),
            (mgmt::POOL_QUERY, mgmt_2_8::DRPC_METHOD_MGMT_POOL_QUERY as i32),
            (mgmt::POOL_SET_PROP, mgmt_2_8::DRPC_METHOD_MGMT_POOL_SET_PROP as i32),
            (mgmt::PING_RANK, mgmt_2_8::DRPC_METHOD_MGMT_PING_RANK as i32),
        ];
        for ((rust, c), (later, _)) in before.iter().zip(&since) {
            assert_eq!(rust, c);
            assert_eq!(*later, rust + 1);
        }
        assert!(since.iter().all(|(rust, c)| rust == c));
        assert_eq!(mgmt::DEV_REPLACE, before_1_2::LIST_CONTAINERS);
    }
}
