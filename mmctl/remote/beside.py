"""Two engines beside each other on a host: one starts while the other quotes, takes its lease over, and one stays warm.

Each engine is a unit of its own, named after its release (``market-maker-engine-RELEASE.N.service``), and
``market-maker.service`` is an alias of the one that is current. ``instances/current`` names it to the engines
themselves: who is not named there leaves the lease alone.
"""

from mmctl.remote.layout import Layout, q, script

ENGINE = "market-maker.service"
PREFIX = "market-maker-engine-"
ALL = f"'{PREFIX}*.service'"
# What an engine is given to let go of its lease; it proves zero open orders first.
HAND_OVER_SECONDS = 12
# What a second engine needs of the memory that is free: with less, the old one ends before the new one starts.
SPARE_MB = 700

WHO = """alias={units}/market-maker.service
old=
if [ -L "$alias" ]; then old=$(readlink "$alias"); old=${{old##*/}}; elif [ -e "$alias" ]; then old={engine}; fi
new=
warm=
for n in 1 2; do
  unit={prefix}{release}.$n.service
  if {back} && systemctl is-active --quiet "$unit"; then new=$unit; warm=yes; break; fi
  [ "$unit" = "$old" ] || [ -n "$new" ] || new=$unit
done
"""

CLEAR = """for unit in $(systemctl list-units --plain --no-legend --full --all {all} | cut -d ' ' -f 1); do
  case $unit in "$old") ;; "$new") [ -n "$warm" ] || systemctl stop "$unit" ;; *) systemctl stop "$unit" ;; esac
done
for file in {units}/{prefix}*.service; do
  name=${{file##*/}}
  case $name in "$old" | "$new") ;; *) rm -f "$file" {instances}/"${{name%.service}}" ;; esac
done
"""

# systemd reads %N as whichever of its names it met first, the alias too: it is written out here.
PLACE = """if [ -z "$warm" ]; then
  sed "s/%N/${{new%.service}}/g" {unit_file} > {units}/"$new.part"
  chmod 0644 {units}/"$new.part"
  mv -f {units}/"$new.part" {units}/"$new"
  mkdir -p {instances}
  ln -sfn ../releases/{release} {instances}/"${{new%.service}}"
  systemctl daemon-reload
fi
"""

# Only an engine that knows of others beside it hands over; the signal would end any other without a word.
TOGETHER = """beside=
if [ -n "$old" ] && [ "$old" != "$new" ] && systemctl is-active --quiet "$old"; then
  spare=$(awk '/^MemAvailable/{{print int($2/1024)}}' /proc/meminfo)
  if grep -qs MM_INSTANCE_LINK {units}/"$old" && grep -qs MM_INSTANCE_LINK {units}/"$new" &&
      {{ [ -n "$warm" ] || [ "$spare" -ge {spare} ]; }}; then beside=yes; fi
fi
"""

NAME = """ln -s "${{new%.service}}" {instances}/current.new
mv -Tf {instances}/current.new {instances}/current
ln -s "$new" "$alias.new"
mv -Tf "$alias.new" "$alias"
mkdir -p {units}/multi-user.target.wants
ln -sfn {units}/market-maker.service {units}/multi-user.target.wants/market-maker.service
systemctl daemon-reload
"""

# The old one says itself when its lease is free; one that does not is ended, which cancels and proves as well.
GIVE = """systemctl kill --kill-who=main --signal=USR1 "$old"
tries={tries}
while systemctl is-active --quiet "$old"; do
  case $(systemctl show --property=StatusText --value "$old") in warm*) break ;; esac
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || {{ systemctl stop "$old"; break; }}
  sleep 0.05
done
"""


def take_over(
    layout: Layout, release: str, switch: str, start: str, *, back: bool = False, keep: bool = True, run: bool = True
) -> str:
    """Make an engine of ``release`` the one that quotes; the one before ends, or stays warm beside it.

    ``switch`` makes the release current, ``start`` starts ``$new`` and ends when it is ready. ``back``: one of the
    release that stands by still is taken as it is. Without ``keep`` the one before is stopped; without ``run``
    nothing is started and what runs is stopped.
    """
    words = {
        "units": q(layout.units), "instances": q(layout.at("instances")), "release": release, "prefix": PREFIX,
        "all": ALL, "engine": ENGINE, "back": "true" if back else "false", "spare": SPARE_MB,
        "unit_file": q(layout.release(release, "units", ENGINE)), "tries": HAND_OVER_SECONDS * 20,
    }  # fmt: skip
    who, clear, place, together, name, give = (
        text.format(**words) for text in (WHO, CLEAR, PLACE, TOGETHER, NAME, GIVE)
    )
    stop_old = '[ -z "$old" ] || [ "$old" = "$new" ] || systemctl stop "$old" 2>/dev/null || true'
    if not run:
        return script(who, "warm=", stop_old, clear, place, switch, name)
    return script(
        who,
        clear,
        place,
        together,
        'if [ -n "$beside" ]; then',
        f'[ -n "$warm" ] || {{\n{start}\n}}',
        switch,
        name,
        give if keep else stop_old,
        "else",
        stop_old,
        switch,
        name,
        f'[ -n "$warm" ] || {{\n{start}\n}}',
        "fi",
    )


def let_go(layout: Layout) -> str:
    """End every engine but the current one: what stayed warm is not gone back to."""
    alias = q(f"{layout.units}/{ENGINE}")
    return script(
        f"now=$(readlink {alias} 2>/dev/null || true)",
        f"for unit in $(systemctl list-units --plain --no-legend --full {ALL} | cut -d ' ' -f 1); do",
        '  [ "$unit" = "${now##*/}" ] || systemctl stop "$unit"',
        "done",
    )
