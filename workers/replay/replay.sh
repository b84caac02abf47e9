#!/bin/sh
# Builds a job of Bloomery's again, with a POSIX shell and docker alone, and says whether the same bytes come out.
#
#     ./replay.sh [FOLDER]
#
# FOLDER, which must exist, is where what was built is put; else only its hashes are looked at. Exit status: 0 every artifact
# is the same, 1 one is different, 2 it could not be found out.
#
# The image is found by its id, or else by its digest; REPLAY_IMAGE names another one. http_proxy, https_proxy, no_proxy and
# CA_BUNDLE (an absolute path without blanks) are for the step that fetches dependencies. All happens in containers and volumes
# named bloomery-replay-*, which are removed at the end.
#
# What stands up to the line "This job" is the same for every job. replay.json says in another form what follows there.
set -u
umask 022
case $0 in
*/*) here=$(cd "${0%/*}" && pwd) || exit 2 ;;
*) here=$(pwd) ;;
esac
out=${1:-}
name=bloomery-replay-$$
work=$name-work tmp=$name-tmp mounts=$name-mounts source=$name-source
image='' held='' network='' compared=0 differing=0
# What all containers of a job have in common.
tame="--init --read-only --cap-drop ALL --security-opt no-new-privileges --ipc private --log-driver none --ulimit core=0:0
    --hostname bloomery --no-healthcheck"

say() { printf '==> %s\n' "$*" >&2; }

cannot() {
    printf 'replay.sh: %s\n' "$*" >&2
    exit 2
}

drop() {
    [ -z "$held" ] || docker rm -f "$held" >/dev/null 2>&1
    held=''
}

clean() {
    drop
    docker rm -f "$name-step" >/dev/null 2>&1
    docker volume rm -f "$work" "$tmp" "$mounts" "$source" >/dev/null 2>&1
}

# A command of this script's in the image: `inside USER COMMAND ...`
inside() {
    as=$1
    shift
    docker run --rm -i --network none --read-only --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER \
        --security-opt no-new-privileges --entrypoint '' --user "$as" -v "$work:/work" -v "$tmp:/work/tmp" \
        -v "$mounts:/bloomery" -v "$source:/source" "$image" "$@"
}

# begin ID DIGEST REFERENCE: find the image, make the volumes
begin() {
    command -v docker >/dev/null || cannot 'there is no docker here'
    docker version >/dev/null 2>&1 || cannot 'the Docker Engine does not answer'
    [ -z "$out" ] || [ -d "$out" ] || cannot "$out is no folder"
    image=${REPLAY_IMAGE:-$1}
    if ! docker image inspect "$image" >/dev/null 2>&1; then
        [ -z "${REPLAY_IMAGE:-}" ] || cannot "there is no image $image here"
        image=$(docker images -q --no-trunc --filter "label=bloomery.digest=$2" | head -n 1)
        [ -n "$image" ] || cannot "the image $3 ($1) is not here: where the job was built,
    docker save $3 | gzip >image.tar.gz
and here
    docker load <image.tar.gz"
    fi
    [ "$image" = "$1" ] || say "the image is $image, not $1"
    trap clean EXIT
    trap 'exit 2' HUP INT TERM
    for v in "$work" "$tmp" "$mounts" "$source"; do
        docker volume create "$v" >/dev/null || cannot 'cannot make a volume'
    done
    for v in http_proxy https_proxy no_proxy; do
        if eval "[ -n \"\${$v:-}\" ]"; then network="$network -e $v"; fi
    done
    [ -z "${CA_BUNDLE:-}" ] || network="$network -v $CA_BUNDLE:/etc/ssl/certs/ca-certificates.crt:ro"
}

# unpack USER FILE COMPRESSION SHA256 ROOT: the crate, as the job saw it, and what was mounted beside it
unpack() {
    say "unpacking $2"
    got=$(inside 0:0 sha256sum <"$here/$2") || cannot "cannot read $2"
    [ "${got%% *}" = "$4" ] || cannot "$2 is not the source that the job was built from: its sha256 is ${got%% *}"
    inside 0:0 sh -c 'for d in src config cargo target home tmp; do
        mkdir -p "/work/$d" && chown "$1" "/work/$d" && chmod 755 "/work/$d" || exit 1; done; chown "$1" /source' \
        sh "$1" </dev/null || cannot 'cannot lay out the work folder'
    inside 0:0 tar -x --no-same-owner -C /bloomery <"$here/mounts.tar" || cannot 'cannot unpack mounts.tar'
    inside "$1" tar -x --no-same-owner -C /work <"$here/tree.tar" || cannot 'cannot unpack tree.tar'
    check_tree "$1" "$2" "$3" "$5"
}

# The tree was unpacked by the server, by rules of its own. Whatever is in it must be in the source as it came.
check_tree() {
    case $3 in
    gzip) inside "$1" tar -xz --no-same-owner -C /source <"$here/$2" ;;
    none) inside "$1" tar -x --no-same-owner -C /source <"$here/$2" ;;
    *)
        if ! command -v "$3" >/dev/null; then
            say "not held against $2: there is no $3 here to unpack it"
            return
        fi
        "$3" -dc <"$here/$2" | inside "$1" tar -x --no-same-owner -C /source
        ;;
    esac || {
        say "not held against $2: tar cannot unpack it"
        return
    }
    each='for f; do cmp -s "$f" "/source/$0/$f" || { echo "$f"; exit 1; }; done'
    odd=$(inside "$1" sh -c 'cd /work/src && find . -type f -exec sh -c "$1" "$2" {} +' sh "$each" "$4" </dev/null) ||
        cannot "tree.tar holds what $2 does not: $odd"
}

# put USER FILE PATH: a file of the bundle, beneath /work
put() {
    inside "$1" sh -c 'rm -f "$1" && cat >"$1"' sh "/work/$3" <"$here/$2" || cannot "cannot put $2 into its place"
}

# fresh USER FOLDER ...: beneath /work, empty
fresh() {
    drop
    inside 0:0 sh -c 'user=$1; shift; for d; do
        mkdir -p "/work/$d" && find "/work/$d" -mindepth 1 -delete && chown "$user" "/work/$d" && chmod 755 "/work/$d" || exit 1
        done' sh "$@" </dev/null || cannot 'cannot make folders anew'
}

# hold OPTION ... IMAGE COMMAND ...: the container that the next steps run in
hold() {
    drop
    held=$name-hold
    docker run -d --name "$held" --entrypoint '' $tame "$@" >/dev/null || cannot 'cannot start a container'
}

# step NAME COMMAND ...
step() {
    say "$1"
    what=$1
    shift
    "$@" </dev/null >&2 || cannot "$what failed with exit status $?: there is nothing to compare"
}

# artifact NAME PATH SHA256
artifact() {
    drop
    compared=$((compared + 1))
    got=$(inside 0:0 sh -c '[ -f "$1" ] && [ ! -L "$1" ] && sha256sum <"$1"' sh "/work/$2" </dev/null)
    got=${got%% *}
    if [ -n "$out" ] && [ -n "$got" ]; then
        inside 0:0 cat "/work/$2" </dev/null >"$out/$1" || cannot "cannot write $out/$1"
    fi
    if [ "$got" = "$3" ]; then
        printf 'same       %s  %s\n' "$3" "$1"
    else
        differing=$((differing + 1))
        printf 'different  %s  %s, built again: %s\n' "$3" "$1" "${got:-nothing}"
    fi
}

verdict() {
    if [ "$differing" -gt 0 ]; then
        printf 'not reproduced: %s of %s artifacts differ\n' "$differing" "$compared"
        exit 1
    fi
    printf 'reproduced: %s of %s artifacts are the same\n' "$compared" "$compared"
    exit 0
}

# --- This job ---
