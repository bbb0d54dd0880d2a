# Makes a lab host's root out of a fresh debootstrap: `sh prepare-debian.sh ROOT`. Run by debian.rs, whose cache key holds this text.
set -eu
cd "$1"

# What the machine's own debootstrap run left of the machine: a host knows only `localhost` and its own name.
rm -f etc/hostname etc/hosts etc/resolv.conf
rm -rf var/cache/apt/archives/*.deb var/lib/apt/lists/*

# Pilaster writes etcd's service; the package's user stays. The other services touch what is the machine's, or only make noise.
rm -f etc/init.d/etcd etc/init.d/procps etc/init.d/cgroups etc/init.d/sudo etc/rc?.d/*
mkdir -p etc/runlevels/sysinit etc/runlevels/boot etc/runlevels/default etc/runlevels/shutdown
rm -f etc/runlevels/*/*

# Services that `need net` start: the lab has wired the network before PID 1 runs.
cat >etc/init.d/lab-net <<'SERVICE'
#!/usr/sbin/openrc-run
description="The lab's network, up from outside"
depend() { provide net; }
start() { :; }
stop() { :; }
SERVICE
chmod 755 etc/init.d/lab-net
ln -s /etc/init.d/lab-net etc/runlevels/boot/lab-net

# Alpine's three lines; the fourth tells the lab that the runlevel `default` is reached.
cat >etc/inittab <<'INITTAB'
::sysinit:/usr/sbin/openrc sysinit
::wait:/usr/sbin/openrc boot
::wait:/usr/sbin/openrc default
::wait:/bin/touch /run/lab-booted
::shutdown:/usr/sbin/openrc shutdown
INITTAB
