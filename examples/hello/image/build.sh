#!/usr/bin/env bash
# Makes ../images/hello.tar: an OCI image of the machine's own busybox, with nothing but tar and sha256sum.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
busybox=$(PATH=$PATH:/bin:/usr/bin type -P busybox) || { echo "busybox is missing: sudo apt-get install busybox-static" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/rootfs/{bin,etc,tmp,www,work} "$work/oci/blobs/sha256"
chmod 1777 "$work/rootfs/tmp"
cp "$busybox" "$work/rootfs/bin/busybox"
# A busybox that is not static brings its libraries.
if libraries=$(ldd "$busybox" 2>/dev/null | grep -o '/[^ ]*'); then
    for library in $libraries; do
        install -D "$library" "$work/rootfs$library"
    done
fi
for tool in sh ls cat echo env id sleep date hostname ps wget httpd vi top mount nslookup ip true false; do
    ln -s busybox "$work/rootfs/bin/$tool"
done
echo 'root:x:0:0:root:/:/bin/sh
web:x:1000:1000:web:/www:/bin/sh' >"$work/rootfs/etc/passwd"
echo 'root:x:0:
web:x:1000:' >"$work/rootfs/etc/group"

# Content is named by its digest; every file is named as what it says.
blob() {
    digest=$(sha256sum "$1" | cut -d' ' -f1)
    size=$(stat -c %s "$1")
    mv "$1" "$work/oci/blobs/sha256/$digest"
}
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$work/rootfs" -cf "$work/layer" .
blob "$work/layer"
layer=$digest layer_size=$size

# A first process without a handler ignores SIGTERM; this server has nothing to lose.
case $(uname -m) in aarch64) architecture=arm64 ;; *) architecture=amd64 ;; esac
cat >"$work/config" <<JSON
{"architecture":"$architecture","os":"linux",
 "config":{"User":"web","StopSignal":"SIGKILL","Env":["PATH=/bin"],"WorkingDir":"/www","Cmd":["httpd","-f","-v","-p","8080","-h","/www"],"ExposedPorts":{"8080/tcp":{}}},
 "rootfs":{"type":"layers","diff_ids":["sha256:$layer"]}}
JSON
blob "$work/config"
cat >"$work/manifest" <<JSON
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
 "config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:$digest","size":$size},
 "layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:$layer","size":$layer_size}]}
JSON
blob "$work/manifest"
cat >"$work/oci/index.json" <<JSON
{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:$digest","size":$size,
 "annotations":{"io.containerd.image.name":"localhost/hello:1","org.opencontainers.image.ref.name":"1"}}]}
JSON
echo '{"imageLayoutVersion":"1.0.0"}' >"$work/oci/oci-layout"

mkdir -p ../images
tar --sort=name --mtime=@0 --owner=0 --group=0 -C "$work/oci" -cf ../images/hello.tar.new .
mv ../images/hello.tar.new ../images/hello.tar
echo "made examples/hello/images/hello.tar (localhost/hello:1)" >&2
