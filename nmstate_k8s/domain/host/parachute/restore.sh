#!/bin/sh
# Puts a node's network back as it was before a change that was not kept. Lies in the journal of that change,
# and runs on the host before NetworkManager starts (nmstate-k8s-restore.service).
#
# - Any line may be the last one before the power goes: each can be done again, the rename at the end ends the job.
# - A handler that closes the journal while this runs wins: nothing is touched before the mark `restoring` is set.
# - Files of any name; owner, mode, times and SELinux label as they were.
# - One that cannot be put back (a full disk) keeps no other one from it; then all is tried again at the next start.
#
# In the journal: files/ and volatile/ (copies, by their paths), facts (a line each: what, name, details), openvswitch
# (arguments).
set -eu
umask 077
R=${NMSTATE_RESTORE_ROOT-} # of tests: another root
J=$(cd "${0%/*}" && pwd)
SELF=$J/restore.sh

# fact WHAT: the rest of the first line that begins so
fact() { sed -n "s/^$1 //p" "$J/facts" | head -n 1; }

# profile FILE…: remember the interfaces that these profiles are for
profile() { sed -n 's/^interface-name *= *//p' "$@" 2>/dev/null >> "$J/touched" || :; }

# settle FOLDER…: what was renamed or removed there is so on the disk
settle() { sync -f "$@" 2>/dev/null || sync; }

same() {
    if [ -h "$1" ] || [ -h "$2" ]; then
        [ -h "$1" ] && [ -h "$2" ] && [ "$(readlink "$1")" = "$(readlink "$2")" ]
    else
        cmp -s "$1" "$2"
    fi
}

# put FILE…: copies in place of the files; in the tree of copies, names relative to it
put() {
    missed=0
    for copy; do
        file=$R${copy#.}
        fresh=${file%/*}/.nmstate-restore.tmp
        same "$copy" "$file" && continue
        profile "$copy" "$file"
        mkdir -p "${file%/*}" && rm -f "$fresh" && cp -a "$copy" "$fresh" &&
            { sync "$fresh" 2>/dev/null || sync; } && mv -fT "$fresh" "$file" || missed=1
    done
    return $missed
}

# gone FILE…: away with those of which there is no copy; in the tree of copies, which is still ours if it is renamed
gone() {
    for file; do
        copy=.${file#"$R"}
        if [ -e "$copy" ] || [ -h "$copy" ]; then continue; fi
        profile "$file"
        rm -f "$file"
    done
}

# each FOLDER PATTERN: `gone` for the files right in it
each() {
    if [ -d "$R$1" ]; then
        find "$R$1/." ! -name . -prune ! -type d -name "$2" -exec sh "$SELF" gone {} +
    fi
}

# was NAME: whether there was such a link; sets its index, mtu and address
was() {
    while read -r what name index mtu address; do
        if [ "$what" = link ] && [ "$name" = "$1" ]; then return 0; fi
    done < "$J/facts"
    return 1
}

# links: within the same boot the kernel still has what the change made. New links go, old ones are emptied, so that
# NetworkManager activates them afresh instead of taking them over as they are.
links() {
    command -v ip > /dev/null || return 0
    { sed -n 's/^touched //p' "$J/facts"; cat "$J/touched" 2>/dev/null || :; } | sort -u > "$J/touched.all"
    while read -r link; do
        [ -e "$R/sys/class/net/$link" ] || continue
        # One of another index was made anew by the change: away with it, too, where a profile brings it back.
        if ! was "$link" || { [ "$(cat "$R/sys/class/net/$link/ifindex")" != "$index" ] && restored "$link"; }; then
            ip link delete dev "$link" 2>/dev/null || :
        fi
    done < "$J/touched.all"
    while read -r link; do
        device=$R/sys/class/net/$link
        if ! [ -e "$device" ] || ! was "$link"; then continue; fi
        rm -f "$R/run/NetworkManager/devices/$(cat "$device/ifindex")"
        ip link set dev "$link" nomaster 2>/dev/null || :
        if [ -e "$device/bonding/slaves" ]; then
            tr ' ' '\n' < "$device/bonding/slaves" |
                while read -r port; do ip link set dev "$port" nomaster 2>/dev/null || :; done
        fi
        ip address flush dev "$link" 2>/dev/null || :
        ip link set dev "$link" down 2>/dev/null || :
        # Nobody else brings it up before the next boot; the kernel gives it its own addresses as it goes up.
        if [ "$link" = lo ]; then ip link set dev lo up 2>/dev/null || :; fi
        [ "$(cat "$device/address" 2>/dev/null)" = "$address" ] ||
            ip link set dev "$link" address "$address" 2>/dev/null || :
        [ "$(cat "$device/mtu" 2>/dev/null)" = "$mtu" ] || ip link set dev "$link" mtu "$mtu" 2>/dev/null || :
    done < "$J/touched.all"
    while read -r link; do
        if watched "$link" && [ -e "$R/sys/class/net/$link" ]; then refill "$link"; fi
    done < "$J/touched.all"
}

# leave: routes through nothing and rules of the change. They are of no link, and a NetworkManager that died knows
# nothing of them any more; what drops the way to the API server would stay until the next boot.
leave() {
    command -v ip > /dev/null || return 0
    sed -n 's/^leave //p' "$J/facts" | while read -r words; do
        # shellcheck disable=SC2086 # words on purpose
        ip $words 2>/dev/null || : # not there: the change had not come so far
    done
}

# watched NAME: whether NetworkManager only watched it, so that no profile brings back what it had
watched() { grep -qxF "watched $1" "$J/facts"; }

# refill NAME: up again, with what it had
refill() {
    # NetworkManager draws link-local addresses itself; of a link that it only watches the kernel does.
    if grep -q "^address $1 fe80:" "$J/facts"; then
        ip link set dev "$1" addrgenmode eui64 2>/dev/null || :
        echo 0 > "$R/proc/sys/net/ipv6/conf/$1/disable_ipv6" 2>/dev/null || :
    fi
    ip link set dev "$1" up 2>/dev/null || :
    while read -r what name one two metric table; do
        [ "$name" = "$1" ] || continue
        case $what in
        controller) ip link set dev "$1" master "$one" 2>/dev/null || : ;;
        address)
            case $one in
            fe80:*) continue ;;
            *:*) echo 0 > "$R/proc/sys/net/ipv6/conf/$1/disable_ipv6" 2>/dev/null || : ;;
            esac
            ip address replace "$one" dev "$1" 2>/dev/null || :
            ;;
        route)
            via=
            [ "$two" = - ] || via="via $two"
            [ "$metric" = 0 ] || via="$via metric $metric"
            # shellcheck disable=SC2086 # words on purpose
            ip route replace "$one" $via dev "$1" table "$table" 2>/dev/null || :
            ;;
        esac
    done < "$J/facts"
}

# restored NAME: whether a profile is there for it
restored() { find "$J/files/etc/NetworkManager" -type f -exec grep -qxF "interface-name=$1" {} \; -print | grep -q .; }

# hostname: on the disk where the change set one there, and the kernel's
hostname() {
    static=$(fact static-hostname)
    if [ "$static" = - ]; then rm -f "$R/etc/hostname"; fi
    if [ "$why" = nm-restart ] && [ -n "$(fact hostname)" ]; then fact hostname > "$R/proc/sys/kernel/hostname" || :; fi
}

# openvswitch: the global settings in its database. Where it runs in a pod or does not answer, the next handler does it.
openvswitch() {
    [ -s "$J/openvswitch" ] && command -v ovs-vsctl > /dev/null || return 0
    xargs -0 ovs-vsctl --no-wait --timeout=10 < "$J/openvswitch" ||
        echo "Open vSwitch's settings could not be put back; nmstate-handler does it when it runs" >&2
}

restore() {
    why=boot
    if [ "$(fact boot)" = "$(cat "$R/proc/sys/kernel/random/boot_id")" ]; then why=nm-restart; fi
    echo "$why" > "$J/restoring" # fails, and ends us, where the handler has just closed the journal

    missed=0
    cd "$J/files"
    each /etc/NetworkManager/system-connections '*'
    each /etc/NetworkManager/dispatcher.d 'nmstate-*'
    each /var/lib/NetworkManager NetworkManager-intern.conf
    each /etc/systemd/network '98-nmstate-*'
    find . ! -type d -exec sh "$SELF" put {} + || missed=1
    hostname
    openvswitch
    settle "$R/etc" "$R/etc/NetworkManager" "$R/var/lib/NetworkManager"
    if [ "$why" = nm-restart ]; then
        if [ -d "$J/volatile" ]; then
            cd "$J/volatile"
            find . ! -type d -exec sh "$SELF" put {} + || missed=1
        fi
        links
        leave
    fi
    cd /
    [ $missed = 0 ] || exit 1
    cp "$J/restoring" "$J/restored"

    # A handler that lives closes the journal itself: libnmstate may go on with the new NetworkManager.
    if [ "$why" = nm-restart ] && ! flock -n "$(fact lock)" true; then return; fi
    rm -rf "${J%/*}/restored"
    mv "$J" "${J%/*}/restored"
    settle "${J%/*}"
}

case ${1-restore} in
put | gone) "$@" ;;
restore) restore ;;
esac
