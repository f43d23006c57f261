package main

import (
	"net"
	"sort"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const clusterDomain = "cluster.local"

// State is what the cluster looks like right now, worked out from nothing but the listed objects.
type State struct {
	frontends map[string]Backends
	names     map[string][]string
}

// Backends are the pod addresses behind one ClusterIP:port. The generation names the exact runs of the containers, so
// that a restarted container is seen as a change.
type Backends struct {
	addresses  []string
	generation string
}

func build(services []*corev1.Service, pods []*corev1.Pod) State {
	state := State{frontends: map[string]Backends{}, names: map[string][]string{}}
	byNamespace := map[string][]*corev1.Pod{}
	for _, pod := range pods {
		byNamespace[pod.Namespace] = append(byNamespace[pod.Namespace], pod)
	}
	for _, service := range services {
		selected := selectPods(service, byNamespace[service.Namespace])
		state.addNames(service, selected)
		if len(service.Spec.Selector) > 0 && hasClusterIP(service) {
			state.addFrontends(service, selected)
		}
	}
	return state
}

func (s State) addFrontends(service *corev1.Service, pods []*corev1.Pod) {
	for _, port := range service.Spec.Ports {
		if port.Protocol != corev1.ProtocolTCP && port.Protocol != "" {
			continue
		}
		var backends Backends
		for _, pod := range pods {
			target := targetPort(port, pod)
			if target == 0 || !isReady(pod) {
				continue
			}
			address := net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(int(target)))
			backends.addresses = append(backends.addresses, address)
			backends.generation += string(pod.UID) + strconv.Itoa(restarts(pod)) + " "
		}
		if len(backends.addresses) > 0 {
			front := net.JoinHostPort(service.Spec.ClusterIP, strconv.Itoa(int(port.Port)))
			s.frontends[front] = backends
		}
	}
}

func (s State) addNames(service *corev1.Service, pods []*corev1.Pod) {
	name := service.Name + "." + service.Namespace + ".svc." + clusterDomain + "."
	if hasClusterIP(service) {
		s.names[name] = []string{service.Spec.ClusterIP}
		return
	}
	if service.Spec.ClusterIP != corev1.ClusterIPNone {
		return
	}
	addresses := map[string]bool{}
	for _, pod := range pods {
		if !isReady(pod) && !service.Spec.PublishNotReadyAddresses {
			continue
		}
		addresses[pod.Status.PodIP] = true
		if pod.Spec.Hostname != "" && pod.Spec.Subdomain == service.Name {
			s.names[pod.Spec.Hostname+"."+name] = []string{pod.Status.PodIP}
		}
	}
	if len(addresses) > 0 {
		s.names[name] = sorted(addresses)
	}
}

func selectPods(service *corev1.Service, pods []*corev1.Pod) []*corev1.Pod {
	if len(service.Spec.Selector) == 0 {
		return nil
	}
	selector := labels.SelectorFromSet(service.Spec.Selector)
	var selected []*corev1.Pod
	for _, pod := range pods {
		if pod.DeletionTimestamp == nil && pod.Status.PodIP != "" && selector.Matches(labels.Set(pod.Labels)) {
			selected = append(selected, pod)
		}
	}
	sort.Slice(selected, func(i, j int) bool { return selected[i].Name < selected[j].Name })
	return selected
}

// targetPort is 0 if the pod has no port of that name.
func targetPort(port corev1.ServicePort, pod *corev1.Pod) int32 {
	if port.TargetPort.Type == intstr.Int {
		if port.TargetPort.IntVal == 0 {
			return port.Port
		}
		return port.TargetPort.IntVal
	}
	for _, container := range pod.Spec.Containers {
		for _, candidate := range container.Ports {
			if candidate.Name == port.TargetPort.StrVal {
				return candidate.ContainerPort
			}
		}
	}
	return 0
}

func hasClusterIP(service *corev1.Service) bool {
	return service.Spec.ClusterIP != "" && service.Spec.ClusterIP != corev1.ClusterIPNone
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func restarts(pod *corev1.Pod) int {
	total := 0
	for _, status := range pod.Status.ContainerStatuses {
		total += int(status.RestartCount)
	}
	return total
}

func sorted(set map[string]bool) []string {
	var values []string
	for value := range set {
		values = append(values, value)
	}
	sort.Strings(values)
	return values
}
