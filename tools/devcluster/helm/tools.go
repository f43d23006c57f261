//go:build tools

// Package tools pins the helm client that installs charts into the development cluster.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
