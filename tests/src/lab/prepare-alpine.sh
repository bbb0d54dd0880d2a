# Makes a lab host's root out of Alpine's disk image: `sh prepare-alpine.sh ROOT ETCD ETCDCTL DEBIAN`. Run by alpine.rs, whose
# cache key holds this text. Runs nothing from the root: that may be of another processor.
set -eu
etcd=$2 etcdctl=$3 debian=$4
cd "$1"

# What the image's maker added for virtual machines, and what it knows of them: a host knows only `localhost` and its own name.
rm -rf usr/local/bin/quicksand-guest-agent etc/init.d/quicksand-guest-agent etc/init.d/setup-dns
rm -rf etc/sudoers.d/quicksand home/quicksand .dockerenv lost+found boot lib/modules lib/firmware
sed -i '/^quicksand:/d' etc/passwd etc/group etc/shadow
rm -f etc/hostname etc/hosts etc/resolv.conf etc/network/interfaces
sed -i -E 's/^(rc_parallel|rc_sys|rc_controller_cgroups)=/#&/' etc/rc.conf

# The services that touch what is the machine's: its /dev, clock, modules, kernel settings and network.
rm -f etc/runlevels/sysinit/* etc/runlevels/shutdown/*
for service in sysctl hwclock modules networking quicksand-guest-agent; do
    rm -f "etc/runlevels/boot/$service"
done

# Services that `need` these start: the lab has wired the network and made /dev before PID 1 runs, and no host sets the clock.
cat >etc/init.d/lab-net <<'SERVICE'
#!/sbin/openrc-run
description="What the lab gives from outside"
depend() { provide net dev clock; }
start() { :; }
stop() { :; }
SERVICE
chmod 755 etc/init.d/lab-net
ln -s /etc/init.d/lab-net etc/runlevels/boot/lab-net

# Alpine's three lines; the fourth tells the lab that the runlevel `default` is reached. A host has no terminals to wait at.
cat >etc/inittab <<'INITTAB'
::sysinit:/sbin/openrc sysinit
::sysinit:/sbin/openrc boot
::wait:/sbin/openrc default
::wait:/bin/touch /run/lab-booted
::shutdown:/sbin/openrc shutdown
INITTAB

# `apk add etcd etcd-ctl`, as community/etcd/APKBUILD has it: the user is the next system user, the sample configuration comes with
# `etcd`, and the two service files with `etcd-openrc`, which apk adds by itself where there is an OpenRC.
install -m 755 "$etcd" usr/bin/etcd
install -m 755 "$etcdctl" usr/bin/etcdctl
echo 'etcd:x:102:etcd' >>etc/group
echo 'etcd:x:101:102:etcd:/var/lib/etcd:/sbin/nologin' >>etc/passwd
echo 'etcd:!::0:::::' >>etc/shadow
install -d -m 755 etc/etcd
install -d -m 700 -o 101 -g 102 var/lib/etcd
printf '%s\n' "name: 'default'" 'data-dir: /var/lib/etcd' >etc/etcd/conf.yml
printf '%s\n' 'LOGPATH=/var/log/etcd' 'ETCD_CONFIG_FILE=/etc/etcd/conf.yml' >etc/conf.d/etcd
cat >etc/init.d/etcd <<'SERVICE'
#!/sbin/openrc-run
supervisor=supervise-daemon
command=/usr/bin/etcd
command_args="--config-file=$ETCD_CONFIG_FILE"
command_user="etcd:etcd"
depend() { need net; }
start_pre() { checkpath -d -m 0775 -o "$command_user" "$LOGPATH"; }
SERVICE
chmod 755 etc/init.d/etcd

# Alpine's own `openssl` is one `apk add` away for a person, not for the lab: Debian's, with its libraries beside it.
mkdir -p usr/libexec/lab-openssl
for file in usr/bin/openssl usr/lib64/ld-linux-x86-64.so.2 usr/lib/x86_64-linux-gnu/libssl.so.3 \
    usr/lib/x86_64-linux-gnu/libcrypto.so.3 usr/lib/x86_64-linux-gnu/libz.so.1 usr/lib/x86_64-linux-gnu/libzstd.so.1 \
    usr/lib/x86_64-linux-gnu/libc.so.6; do
    cp -L "$debian/$file" usr/libexec/lab-openssl/
done
cp "$debian/etc/ssl/openssl.cnf" usr/libexec/lab-openssl/
cat >usr/bin/openssl <<'WRAPPER'
#!/bin/sh
folder=/usr/libexec/lab-openssl
OPENSSL_CONF=$folder/openssl.cnf exec $folder/ld-linux-x86-64.so.2 --library-path $folder $folder/openssl "$@"
WRAPPER
chmod 755 usr/bin/openssl
