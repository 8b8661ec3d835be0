# Only what is empty goes: keys and the variables of VMs are the administrator's.
if [ -L /var/lib/varstored ]; then
  [ -e /var/lib/varstored ] || { rm -f /var/lib/varstored; }
elif [ -d /var/lib/varstored ]; then
  rmdir --ignore-fail-on-non-empty /var/lib/varstored
fi
