# Only what is empty goes: keys and the variables of VMs are the administrator's. So is a link to another
# place, which may be one that is not mounted now, and a folder that cannot go because it is a mount.
if [ -L /var/lib/varstored ]; then
  [ "$(readlink /var/lib/varstored)" != /usr/share/varstored ] || [ -e /var/lib/varstored ] ||
    { rm -f /var/lib/varstored; }
elif [ -d /var/lib/varstored ]; then
  rmdir /var/lib/varstored 2>/dev/null || :
fi
