# The package of the older daemon owns the keys in here and would take them along when this one
# replaces it: its VMs would then boot without keys. So without a copy of each nothing is replaced.
kept=/usr/share/varstored/.kept
for file in /usr/share/varstored/*.auth; do
  [ -f "$file" ] || continue
  mkdir -p "$kept" && { cp -p "$file" "$kept/"; } && continue
  echo "varstored: $file cannot be copied, so nothing is replaced" >&2
  # Only copies whose keys are still there: others may be left of an installation that was cut off.
  for copied in /usr/share/varstored/*.auth; do
    [ ! -f "$copied" ] || { rm -f "$kept/${copied##*/}"; }
  done
  rmdir "$kept" 2>/dev/null
  exit 1
done
