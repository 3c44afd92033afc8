// The benchmark's controller on controller-runtime: typed objects, no client-side rate limit, one status patch
// for each new version of a spec. What it has to do and to say is in rivals/__init__.py.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

type Part struct {
	Name        string   `json:"name"`
	Kind        string   `json:"kind"`
	State       string   `json:"state"`
	MTU         int      `json:"mtu"`
	Addresses   []string `json:"addresses"`
	Description string   `json:"description"`
}

type BenchSpec struct {
	Version int64  `json:"version"`
	Sent    int64  `json:"sent,omitempty"`
	Parts   []Part `json:"parts,omitempty"`
}

type BenchStatus struct {
	Observed int64 `json:"observed,omitempty"`
}

type Thing struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              BenchSpec   `json:"spec,omitempty"`
	Status            BenchStatus `json:"status,omitempty"`
}

type ThingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Thing `json:"items"`
}

func (in *Thing) DeepCopyInto(out *Thing) {
	*out = *in
	in.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Spec.Parts = make([]Part, len(in.Spec.Parts))
	for i, part := range in.Spec.Parts {
		part.Addresses = append([]string(nil), part.Addresses...)
		out.Spec.Parts[i] = part
	}
}

func (in *Thing) DeepCopyObject() runtime.Object {
	out := &Thing{}
	in.DeepCopyInto(out)
	return out
}

func (in *ThingList) DeepCopyObject() runtime.Object {
	out := &ThingList{TypeMeta: in.TypeMeta, Items: make([]Thing, len(in.Items))}
	in.ListMeta.DeepCopyInto(&out.ListMeta)
	for i := range in.Items {
		in.Items[i].DeepCopyInto(&out.Items[i])
	}
	return out
}

type tally struct {
	client  client.Client
	objects int
	changes int
	samples int

	mutex   sync.Mutex
	seen    map[string]bool
	patched int
	sent    map[string]int64
	since   int64
	delays  []int64
}

func say(event string, fields map[string]any) {
	line := map[string]any{"event": event, "at": time.Now().UnixNano()}
	for name, value := range fields {
		line[name] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func (t *tally) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	now := time.Now().UnixNano()
	thing := &Thing{}
	if err := t.client.Get(ctx, request.NamespacedName, thing); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	t.note(thing, now)
	if thing.Spec.Version == thing.Status.Observed {
		return ctrl.Result{}, nil
	}
	body := fmt.Sprintf(`{"status":{"observed":%d}}`, thing.Spec.Version)
	if err := t.client.Status().Patch(ctx, thing, client.RawPatch("application/merge-patch+json", []byte(body))); err != nil {
		return ctrl.Result{}, err
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.patched++
	if t.patched == t.changes {
		say("patched", nil)
	}
	return ctrl.Result{}, nil
}

func (t *tally) note(thing *Thing, now int64) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if !t.seen[thing.Name] {
		t.seen[thing.Name] = true
		if len(t.seen) == t.objects {
			say("reconciled", nil)
		}
	}
	if thing.Spec.Sent > max(t.since, t.sent[thing.Name]) {
		t.sent[thing.Name] = thing.Spec.Sent
		t.delays = append(t.delays, now-thing.Spec.Sent)
		if len(t.delays) == t.samples {
			say("sampled", map[string]any{"delays": t.delays})
		}
	}
}

func main() {
	kubeconfig := flag.String("kubeconfig-file", "", "")
	objects := flag.Int("objects", 0, "")
	changes := flag.Int("changes", 0, "")
	samples := flag.Int("samples", 0, "")
	workers := flag.Int("workers", 1, "")
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.WriteTo(os.Stderr)))

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	check(err)
	config = rest.CopyConfig(config)
	config.QPS = -1
	group := schema.GroupVersion{Group: "bench.example.com", Version: "v1"}
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(group, &Thing{}, &ThingList{})
	metav1.AddToGroupVersion(scheme, group)
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: server.Options{BindAddress: "0"},
	})
	check(err)
	t := &tally{
		client: manager.GetClient(), objects: *objects, changes: *changes, samples: *samples,
		seen: map[string]bool{}, sent: map[string]int64{}, since: time.Now().UnixNano(),
	}
	check(ctrl.NewControllerManagedBy(manager).
		For(&Thing{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: *workers}).
		Complete(t))
	ctx, stop := context.WithCancel(ctrl.SetupSignalHandler())
	go func() { // who started us has gone when our input ends
		for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		}
		stop()
	}()
	check(manager.Start(ctx))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
