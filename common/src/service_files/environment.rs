//! What etcd takes from its environment: a configuration file leaves no flag and no other variable
//! of etcd's in force, only these.

use crate::etcd_conf::EtcdConf;

/// A variable, and why it is there.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    /// Letters and digits only: no shell and no service manager reads more into it.
    pub(crate) value: String,
    /// Above it in the file.
    pub(crate) comment: &'static str,
}

/// All that can be set, in the order of the file.
pub(crate) const NAMES: [&str; 3] = ["ETCD_UNSUPPORTED_ARCH", "GOMEMLIMIT", "GOGC"];

/// The variables that this member's etcd needs.
pub(crate) fn variables(conf: &EtcdConf) -> Vec<Variable> {
    let [unsupported, limit, collector] = NAMES;
    let mut all = Vec::new();
    let mut add = |name, value: String, comment| all.push(Variable { name, value, comment });
    if !conf.processor.is_supported_by(conf.version) {
        let comment = "etcd does not start as a program for this processor without it.";
        add(unsupported, conf.processor.name().into(), comment);
    }
    if let Some(bytes) = conf.memory_limit_bytes {
        let comment =
            "A small machine: bounds of Go's heap. The database is mapped, and not counted.";
        add(limit, format!("{}MiB", bytes / (1 << 20)), comment);
        let comment =
            "The heap is collected when it has grown by so many percent; Go's default is 100.";
        add(collector, "75".into(), comment);
    }
    all
}

#[cfg(test)]
mod tests {
    use crate::etcd_conf::Processor;
    use crate::etcd_conf::testing::conf;

    #[test]
    fn the_variable_for_other_processors_follows_the_binary_and_its_version() {
        let told = |version, processor| {
            let mut conf = conf(version);
            conf.processor = processor;
            let variables = super::variables(&conf);
            let mut all = variables.iter();
            all.find(|v| v.name == "ETCD_UNSUPPORTED_ARCH").map(|v| v.value.clone())
        };
        assert_eq!(told("3.5.16", Processor::Arm), Some("arm".into()));
        assert_eq!(told("3.4.23", Processor::Arm64), Some("arm64".into()));
        assert_eq!(told("3.7.2", Processor::Riscv64), Some("riscv64".into()));
        assert_eq!(told("3.6.15", Processor::I386), Some("386".into()));
        assert_eq!(told("3.5.16", Processor::Arm64), None);
        assert_eq!(told("3.4.23", Processor::Amd64), None);
        assert_eq!(told("3.4.23", Processor::S390x), Some("s390x".into()));
    }
}
