"""The lab: a whole Kubernetes cluster on one machine, of real parts.

- etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kube-proxy are the released programs.
- A node is a User-mode Linux guest with systemd, NetworkManager, containerd and a kubelet: a kernel of its own,
  which may be cut, frozen or cabled like a machine, and yet one ordinary process of the host.
- All of it lives in one network, process and mount namespace that belongs to a supervisor. When the supervisor
  ends, for whatever reason, everything ends with it: no process, tap, bridge or mount can stay behind.
- Only the standard library of Python 3.11 is used, so that the lab needs no environment of its own.
"""
