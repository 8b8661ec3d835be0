# The package of the older daemon owns the keys in here and would take them along when this one
# replaces it: its VMs would then boot without keys.
for file in /usr/share/varstored/*.auth; do
  [ ! -f "$file" ] || mkdir -p /usr/share/varstored/.kept
  [ ! -f "$file" ] || { cp -p "$file" /usr/share/varstored/.kept/; }
done
