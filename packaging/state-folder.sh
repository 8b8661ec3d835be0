# XAPI looks for the keys of first boots in /var/lib/varstored, and wants it to be a link to the default
# ones unless the pool has its own. Without XAPI it also holds a folder for each VM, which has no
# business below /usr. What is there stays as it is.
if [ ! -e /var/lib/varstored ] && [ ! -L /var/lib/varstored ]; then
  mkdir -p /var/lib
  [ ! -e /opt/xensource/bin/xapi ] || { ln -s /usr/share/varstored /var/lib/varstored; }
  [ -L /var/lib/varstored ] || mkdir -m 0755 /var/lib/varstored
fi
