"""The node: containerd, kubelet and the program that serves Services and cluster names, with their configuration.

What happens to containers and mounts when the cluster ends is in ``cleanup.py``; images are in ``images.py``.
"""

import json
import subprocess
import time
from datetime import datetime

from . import components, hostfiles, images
from .api import Api
from .build import program
from .components import Component, accepts, answers_ok
from .errors import DevClusterError
from .layout import NODE_NAME, PAUSE_IMAGE, Layout
from .pki import kubeconfig_of
from .tools import CNI_PLUGINS, path_of, require, require_cni, search_path

_KUBELET_HEALTH_PORT = 10248
_NODE_SECONDS = 180.0


def require_programs() -> None:
    """Name whatever Debian package is missing before anything starts."""
    require("containerd", "ctr", "runc", "umount")
    require_cni()


def prepare(layout: Layout) -> None:
    """Write every configuration file; they hold nothing but paths and addresses, so they are simply rewritten."""
    config = layout.config
    (config / "cni").mkdir(parents=True, exist_ok=True)
    (layout.root / "run").mkdir(exist_ok=True)
    (config / "containerd.toml").write_text(_containerd_config(layout))
    (config / "cni" / "10-loopback.conflist").write_text(_CNI)
    (config / "resolv.conf").write_text(f"nameserver {layout.dns_ip}\n")
    (config / "kubelet.json").write_text(json.dumps(_kubelet_config(layout), indent=2))
    hostfiles.remember(layout)
    hostfiles.make_cgroups(layout)


def parts(layout: Layout) -> list[Component]:
    """The node's components, in the order they start."""
    return [containerd(layout), kubelet(layout), netproxy(layout)]


def containerd(layout: Layout) -> Component:
    """Build containerd's command."""
    return Component(
        "containerd",
        (path_of("containerd"), "--config", str(layout.config / "containerd.toml")),
        str(layout.containerd_socket),
        0,
        lambda: _containerd_answers(layout),
        env={"PATH": search_path()},
    )


def kubelet(layout: Layout) -> Component:
    """Build the kubelet's command."""
    argv = (
        program("kubelet"),
        f"--config={layout.config / 'kubelet.json'}",
        f"--kubeconfig={kubeconfig_of(layout, 'kubelet')}",
        f"--root-dir={layout.kubelet_root}",
        f"--cert-dir={layout.pki}",
        f"--hostname-override={NODE_NAME}",
    )
    return Component(
        "kubelet",
        argv,
        NODE_NAME,
        layout.kubelet_port,
        lambda: answers_ok(layout.internal_ip, _KUBELET_HEALTH_PORT, "/healthz", tls=False),
        env={"PATH": search_path()},
    )


def netproxy(layout: Layout) -> Component:
    """Build the command of the program that stands in for kube-proxy and CoreDNS."""
    argv = (
        program("netproxy"),
        f"--kubeconfig={kubeconfig_of(layout, 'netproxy')}",
        f"--dns={layout.dns_ip}:53",
        f"--service-range={layout.service_range}",
    )
    return Component("netproxy", argv, layout.dns_ip, 53, lambda: accepts(layout.dns_ip, 53))


def start_kubelet(layout: Layout, api: Api, *, since: float) -> None:
    """The kubelet exits if containerd is not there yet; it is ready once its first own heartbeat says so."""
    components.wait_healthy(layout, containerd(layout))
    images.load_pause(layout)
    fresh = components.start(layout, kubelet(layout))
    deadline = time.monotonic() + _NODE_SECONDS
    while not _node_ready(api, since=since if fresh else 0.0):
        if kubelet(layout).process(layout) is None or time.monotonic() > deadline:
            components.wait_healthy(layout, kubelet(layout), seconds=0)
            raise DevClusterError(f"the node is not Ready after {_NODE_SECONDS:.0f} s; see {layout.logs}/kubelet.log")
        time.sleep(0.05)


def _node_ready(api: Api, *, since: float) -> bool:
    """A node from before a restart still says Ready: only a heartbeat of this run counts."""
    node = api.get(f"/api/v1/nodes/{NODE_NAME}")
    if node is None:
        return False
    for condition in node["status"].get("conditions", []):
        if condition["type"] == "Ready" and condition["status"] == "True":
            heartbeat = datetime.fromisoformat(condition["lastHeartbeatTime"]).timestamp()
            return heartbeat + 1 > since
    return False


def _containerd_answers(layout: Layout) -> bool:
    command = [path_of("ctr"), "--address", str(layout.containerd_socket), "version"]
    return (
        layout.containerd_socket.exists() and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


_CNI = """{"cniVersion": "0.4.0", "name": "loopback-only", "plugins": [{"type": "loopback"}]}
"""


def _containerd_config(layout: Layout) -> str:
    return f"""version = 2
root = "{layout.root}/containerd"
state = "{layout.root}/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
                    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]

[grpc]
  address = "{layout.containerd_socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{layout.root}/run/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".cni]
  conf_dir = "{layout.config}/cni"
  bin_dir = "{CNI_PLUGINS}"
"""


def _kubelet_config(layout: Layout) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_NAME,
        "port": layout.kubelet_port,
        "healthzBindAddress": layout.internal_ip,
        "healthzPort": _KUBELET_HEALTH_PORT,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(layout.pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(layout.pki / "kubelet-server.key"),
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": layout.cgroup,
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "makeIPTablesUtilChains": False,
        "podLogsDir": str(layout.root / "pod-logs"),
        "volumePluginDir": str(layout.root / "volume-plugins"),
        "clusterDNS": [layout.dns_ip],
        "clusterDomain": "cluster.local",
        "resolvConf": str(layout.config / "resolv.conf"),
        "maxPods": 250,
        "serializeImagePulls": False,
        # Nothing can be pulled again here, so images are never collected.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    }
