// Command netproxy stands in for kube-proxy and CoreDNS on a cluster that lives on loopback addresses.
//
// It binds every ClusterIP:port for as long as a Ready pod stands behind it and splices the connections to that pod,
// and it answers the cluster's names. It must not know anything about the product under test.
package main

import (
	"context"
	"flag"
	"log"
	"net/netip"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "credentials for listing Services and Pods")
	dnsAddress := flag.String("dns", "", "address:port to answer names on")
	serviceRange := flag.String("service-range", "", "only ClusterIPs in this range are bound")
	flag.Parse()

	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, *kubeconfig, *dnsAddress, *serviceRange); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, kubeconfig, dnsAddress, serviceRange string) error {
	allowed, err := netip.ParsePrefix(serviceRange)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}

	factory := informers.NewSharedInformerFactory(client, 0)
	services := factory.Core().V1().Services()
	pods := factory.Core().V1().Pods()
	changed := make(chan struct{}, 1)
	notify := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { wake(changed) },
		UpdateFunc: func(any, any) { wake(changed) },
		DeleteFunc: func(any) { wake(changed) },
	}
	if _, err := services.Informer().AddEventHandler(notify); err != nil {
		return err
	}
	if _, err := pods.Informer().AddEventHandler(notify); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())

	table := &Table{}
	if err := serveNames(ctx, dnsAddress, table); err != nil {
		return err
	}
	proxy := newProxy(allowed)
	defer proxy.closeAll()
	retry := time.NewTicker(time.Second)
	defer retry.Stop()
	for {
		allServices, err := services.Lister().List(labels.Everything())
		if err != nil {
			return err
		}
		allPods, err := pods.Lister().List(labels.Everything())
		if err != nil {
			return err
		}
		state := build(allServices, allPods)
		table.replace(state.names)
		proxy.apply(state.frontends)
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-retry.C:
		}
	}
}

// wake never blocks: one pending notice is enough, since every pass reads the whole state.
func wake(changed chan<- struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}
