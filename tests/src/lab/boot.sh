# Becomes PID 1 of a host: `sh boot.sh NAME ROOT FOLDER PID_FILE`, in fresh mount, PID, UTS and IPC namespaces and in the
# host's network namespace. Run by host.rs. Nothing of the machine's /dev, /sys and /proc/sys can be changed from inside.
set -eu
umask 022
name=$1 lower=$2 folder=$3 pid_file=$4

# The machine's /proc still: its `self` is this process's id outside. The lab ends us by what stands in this file.
read -r stat </proc/self/stat
echo "$stat" >"$pid_file.new"
mv "$pid_file.new" "$pid_file"

# The SD card: what the host writes goes to `upper`, which stays when the host dies. It is a folder, or lies in a file system of its own
# that only this mount namespace sees; its loop device goes with the namespace.
card=$folder
mkdir -p "$folder/root"
if [ -e "$folder/card.img" ]; then
    card=$folder/card
    mkdir -p "$card"
    mount -t ext4 -o loop "$folder/card.img" "$card"
fi
mkdir -p "$card/upper" "$card/work"
mount -t overlay -o "lowerdir=$lower,upperdir=$card/upper,workdir=$card/work" overlay "$folder/root"
cd "$folder/root"

# A new card knows `localhost` and its own name, as Debian's installer does it. A test may have put another name there.
if [ ! -e etc/hostname ]; then
    echo "$name" >etc/hostname
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" >etc/hosts
fi
cat etc/hostname >/proc/sys/kernel/hostname

mount -t proc -o nosuid,nodev,noexec proc proc
for path in proc/sys proc/sysrq-trigger; do
    [ -e "$path" ] || continue
    mount --bind "$path" "$path"
    mount -o remount,bind,ro "$path"
done
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs run
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs tmp

mount -t tmpfs -o nosuid,mode=755,size=1m tmpfs dev
while read -r device mode major minor; do
    mknod -m "$mode" "dev/$device" c "$major" "$minor"
done <<'DEVICES'
null 666 1 3
zero 666 1 5
full 666 1 7
random 666 1 8
urandom 666 1 9
tty 666 5 0
DEVICES
mkdir dev/pts dev/shm
mount -t devpts -o nosuid,noexec,newinstance,ptmxmode=666,mode=620 devpts dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
ln -s null dev/console

# Without the old root nothing of the machine stays mounted here, and nothing keeps another lab's namespaces alive.
pivot_root . mnt
cd /
umount -l /mnt
exec busybox init
