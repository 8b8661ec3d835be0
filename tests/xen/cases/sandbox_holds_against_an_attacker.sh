# Somebody who has taken over the daemon of one domain gets no memory and no event of another, no
# hypercall, no xenstore and no device. The acts are in tests/xen/forbidden_acts.cc.
. /lib/testbed.sh

create_domain other pvh
other=$DOMAIN
create_domain first pvh
mkdir -p /run/root
chmod 0755 /run/root
forbidden_acts "$DOMAIN" "$other" /run/root
