# Becomes PID 1 of a host: `sh boot.sh NAME ROOT FOLDER PID_FILE EMULATOR`, in fresh mount, PID, UTS and IPC namespaces and in the
# host's network namespace. Run by host.rs. Nothing of the machine's /dev, /sys and /proc/sys can be changed from inside.
set -eu
umask 022
name=$1 lower=$2 folder=$3 pid_file=$4 emulator=$5

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

# Programs for 64-bit ARM: the kernel knows them by twenty bytes (ELF, 64 bits, little endian, type 2 or 3, machine 183: elf(5)) under a
# mask, and hands them to the emulator while this mount, or another host's, is there.
if [ -n "$emulator" ]; then
    formats=proc/sys/fs/binfmt_misc
    magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
    mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    mount -t binfmt_misc binfmt_misc $formats
    if ! grep -qs '^magic 7f454c460201010000000000000000000200b700$' $formats/*; then
        printf '%s' ":pilaster-lab-aarch64:M::$magic:$mask:$emulator:F" >$formats/register ||
            [ -e $formats/pilaster-lab-aarch64 ] # another host was faster
    fi
    mount -o remount,bind,ro $formats
fi
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
