/**
 * Functions of a POSIX shell for the labels in the agent's configuration, whose path is in `$config`:
 * - `label KEY` prints what the label is, or nothing;
 * - `forget_labels` takes out those that the installation by Pulumi wrote.
 *
 * The installer writes `    vm-agent.host: value`, quoted where YAML needs it; somebody may have made
 * `labels: { vm-agent.host: value }` of it. A label's value holds nothing but `A-Za-z0-9._-`.
 */
export const LABEL_FUNCTIONS = `label() {
  sed -n "/^[ ]*#/d
    s/^.*[ \\"'{,]\${1%.*}[.]\${1##*.}[\\"']\\{0,1\\}:[ ]*[\\"']\\{0,1\\}\\([A-Za-z0-9._-]*\\).*$/\\1/p" "$config" 2>/dev/null | head -n 1
}
forget_labels() {
  [ -f "$config" ] || return 0
  cp -p "$config" "$config.new"
  # A key without a value is no map: labels goes with the last of them.
  awk -v q="[\\"']?" '
    function indent(line) { match(line, /^ */); return RLENGTH }
    { text = $0 }
    text !~ /^ *#/ { gsub(q "vm-agent[.](host|deployment)" q ": *" q "[A-Za-z0-9._-]*" q " *,? *", "") }
    $0 != text && /^ *$/ { cut = 1; next }
    held != "" {
      if (!cut || indent($0) > indent(held)) print held
      held = ""
    }
    /^ *labels: *$/ { held = $0; cut = 0; next }
    { print }
    END { if (held != "" && !cut) print held }
  ' "$config" >"$config.new"
  mv -f "$config.new" "$config"
}`;
