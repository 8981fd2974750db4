// Command helm checks the chart of deploy/helm: Helm's own linter, and each object that it renders, read
// strictly into Kubernetes' types. It is a module of its own: Helm stands on hundreds of packages.
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"helm.sh/helm/v3/pkg/strvals"
	"sigs.k8s.io/yaml"
)

// installations are how the chart is tried: its values, and how many objects come of them.
var installations = []struct {
	values  string
	objects int
}{
	{"existingSecret=s", 5},
	{"existingSecret=s,store=embedded", 4},
	{"existingSecret=s,autoscaling.enabled=true,ingress.enabled=true,ingress.tlsSecret=t,serviceMonitor.enabled=true," +
		"prometheusRule.enabled=true,config.stream.drain=2m,persistence.storageClassName=fast,extraEnv[0].name=HULLBEAM_TRACING_ENDPOINT,extraEnv[0].value=http://t:4318", 9},
}

// refused are values that the schema must not let through.
var refused = []string{"", "existingSecret=s,store=memory", "existingSecret=s,config.secret=x", "existingSecret=s,config.tracing.headers={a=b}", "existingSecret=s,extraEnv[0].value=x", "existingSecret=s,replica=3"}

func main() {
	log.SetOutput(io.Discard) // Helm tells of each link each time
	if err := check(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(dir string) error {
	c, err := loader.Load(dir)
	if err != nil {
		return err
	}
	for _, in := range installations {
		values, err := strvals.Parse(in.values)
		if err != nil {
			return err
		}
		linted := lint.AllWithKubeVersion(dir, values, "default", &kubernetes().KubeVersion)
		for _, m := range linted.Messages {
			if m.Severity >= support.WarningSev {
				return fmt.Errorf("%s: %w", in.values, m)
			}
		}
		objects, err := render(c, values)
		if err != nil {
			return fmt.Errorf("%s: %w", in.values, err)
		}
		if objects != in.objects {
			return fmt.Errorf("%s: %d objects, want %d", in.values, objects, in.objects)
		}
	}
	for _, text := range refused {
		values, err := strvals.Parse(text)
		if err != nil {
			return err
		}
		if _, err := render(c, values); err == nil {
			return fmt.Errorf("the values %q are taken", text)
		}
	}
	return nil
}

// kubernetes is the cluster that is pretended.
func kubernetes() *chartutil.Capabilities {
	c := chartutil.DefaultCapabilities.Copy()
	c.KubeVersion = chartutil.KubeVersion{Version: "v1.34.0", Major: "1", Minor: "34"}
	return c
}

// render renders the chart, and reads what comes of it.
func render(c *chart.Chart, values map[string]any) (objects int, err error) {
	all, err := chartutil.ToRenderValues(c, values, chartutil.ReleaseOptions{Name: "r", Namespace: "default", IsInstall: true}, kubernetes())
	if err != nil {
		return 0, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return 0, err
	}
	for name, text := range files {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		for document := range strings.SplitSeq(text, "\n---\n") {
			if strings.TrimSpace(document) == "" {
				continue
			}
			if err := read(document); err != nil {
				return 0, fmt.Errorf("%s: %w", name, err)
			}
			objects++
		}
	}
	return objects, nil
}

// read reads an object into its type, which has to have all its fields. Those of the Prometheus
// operator have no types here.
func read(document string) error {
	var kind struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
		return err
	}
	types := map[string]any{
		"apps/v1 Deployment": &appsv1.Deployment{}, "apps/v1 StatefulSet": &appsv1.StatefulSet{},
		"v1 ConfigMap": &corev1.ConfigMap{}, "v1 Service": &corev1.Service{},
		"policy/v1 PodDisruptionBudget":           &policyv1.PodDisruptionBudget{},
		"autoscaling/v2 HorizontalPodAutoscaler":  &autoscalingv2.HorizontalPodAutoscaler{},
		"networking.k8s.io/v1 Ingress":            &networkingv1.Ingress{},
		"networking.k8s.io/v1 NetworkPolicy":      &networkingv1.NetworkPolicy{},
		"monitoring.coreos.com/v1 ServiceMonitor": &map[string]any{},
		"monitoring.coreos.com/v1 PrometheusRule": &map[string]any{},
	}
	object, known := types[kind.APIVersion+" "+kind.Kind]
	if !known {
		return errors.New("no type is known of " + kind.APIVersion + " " + kind.Kind)
	}
	return yaml.UnmarshalStrict([]byte(document), object)
}
