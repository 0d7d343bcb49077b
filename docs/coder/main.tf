terraform {
  required_providers {
    coder = {
      source  = "coder/coder"
      version = "~> 2.0"
    }
    kubernetes = {
      source  = "hashicorp/kubernetes"
      version = "~> 2.0"
    }
  }
}

variable "namespace" {
  type        = string
  default     = "coder-workspaces"
  description = "Namespace of the workspaces"
}

variable "workspace_image" {
  type        = string
  default     = "docker.io/codercom/enterprise-base:ubuntu"
  description = "What people work in; it needs curl"
}

variable "metadata_image" {
  type        = string
  default     = "ghcr.io/fleet/fleet-metadata:0.1.0"
  description = "Image of fleet-metadata"
}

locals {
  # Names may be longer than Kubernetes lets a label be, and change.
  name = "coder-${data.coder_workspace.me.id}"
  labels = {
    "app.kubernetes.io/name"     = "coder-workspace"
    "app.kubernetes.io/instance" = local.name
    "app.kubernetes.io/part-of"  = "coder"
    "com.coder.user.username"    = data.coder_workspace_owner.me.name
    "com.coder.workspace.name"   = data.coder_workspace.me.name
  }
  # A probe by HTTP comes from the node, which does not reach the loopback address of the pod.
  is_alive = [
    "python", "-c",
    "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8001, timeout=4); c.request('GET', '/livez'); sys.exit(c.getresponse().status != 200)",
  ]
}

data "coder_workspace" "me" {}

data "coder_workspace_owner" "me" {}

resource "coder_agent" "main" {
  arch = "amd64"
  os   = "linux"
  dir  = "/home/coder/project"

  env = {
    # Where whoever runs tasks in the workspace tells of them; the containers of the pod share no /tmp.
    FLEET_TASK_FILE = "/home/coder/.fleet-metadata-task.json"
  }

  # Printed by: fleet-metadata coder-template --keys
  # git_branch,git_status,github_pr_number,github_checks_status,workspace_task_status,workspace_task_description
  metadata {
    display_name = "Git branch"
    key          = "git_branch"
    script       = "curl --fail --silent --show-error --noproxy '*' --max-time 4 'http://127.0.0.1:8001/metadata/git_branch?format=text'"
    interval     = 10
    timeout      = 5
    order        = 1
  }

  metadata {
    display_name = "Git status"
    key          = "git_status"
    script       = "curl --fail --silent --show-error --noproxy '*' --max-time 4 'http://127.0.0.1:8001/metadata/git_status?format=text'"
    interval     = 10
    timeout      = 5
    order        = 2
  }

  metadata {
    display_name = "GitHub PR number"
    key          = "github_pr_number"
    script       = "curl --fail --silent --show-error --noproxy '*' --max-time 4 'http://127.0.0.1:8001/metadata/github_pr_number?format=text'"
    interval     = 10
    timeout      = 5
    order        = 3
  }

  metadata {
    display_name = "GitHub checks status"
    key          = "github_checks_status"
    script       = "curl --fail --silent --show-error --noproxy '*' --max-time 4 'http://127.0.0.1:8001/metadata/github_checks_status?format=text'"
    interval     = 10
    timeout      = 5
    order        = 4
  }

  metadata {
    display_name = "Workspace task status"
    key          = "workspace_task_status"
    script       = "curl --fail --silent --show-error --noproxy '*' --max-time 4 'http://127.0.0.1:8001/metadata/workspace_task_status?format=text'"
    interval     = 10
    timeout      = 5
    order        = 5
  }

  metadata {
    display_name = "Workspace task description"
    key          = "workspace_task_description"
    script       = "curl --fail --silent --show-error --noproxy '*' --max-time 4 'http://127.0.0.1:8001/metadata/workspace_task_description?format=text'"
    interval     = 10
    timeout      = 5
    order        = 6
  }
}

resource "coder_app" "metadata" {
  agent_id     = coder_agent.main.id
  slug         = "fleet-metadata"
  display_name = "Metadata"
  url          = "http://localhost:8001/metadata"
  share        = "owner"
  open_in      = "tab"

  healthcheck {
    url       = "http://localhost:8001/livez"
    interval  = 10
    threshold = 6
  }
}

resource "kubernetes_persistent_volume_claim_v1" "home" {
  metadata {
    name      = "${local.name}-home"
    namespace = var.namespace
    labels    = local.labels
  }

  spec {
    access_modes = ["ReadWriteOnce"]

    resources {
      requests = {
        storage = "10Gi"
      }
    }
  }

  wait_until_bound = false
}

resource "kubernetes_deployment_v1" "workspace" {
  count = data.coder_workspace.me.start_count

  metadata {
    name      = local.name
    namespace = var.namespace
    labels    = local.labels
  }

  spec {
    replicas = 1

    selector {
      match_labels = {
        "app.kubernetes.io/instance" = local.name
      }
    }

    strategy {
      type = "Recreate"
    }

    template {
      metadata {
        labels = local.labels
      }

      spec {
        automount_service_account_token = false
        # A Service named "metadata" would set METADATA_PORT to its address.
        enable_service_links = false
        # So that fleet-metadata sees the processes that FLEET_TASK_PROCESSES names.
        share_process_namespace = true

        security_context {
          fs_group        = 1000
          run_as_group    = 1000
          run_as_non_root = true
          # One user for both containers: what the home's owner alone may read, fleet-metadata can read too.
          run_as_user = 1000

          seccomp_profile {
            type = "RuntimeDefault"
          }
        }

        init_container {
          name = "project"
          # fleet-metadata does not start without its folder.
          command = ["mkdir", "-p", "/home/coder/project"]
          image   = var.workspace_image

          security_context {
            allow_privilege_escalation = false
            read_only_root_filesystem  = true

            capabilities {
              drop = ["ALL"]
            }
          }

          volume_mount {
            name       = "home"
            mount_path = "/home/coder"
          }
        }

        container {
          name    = "workspace"
          command = ["sh", "-c", coder_agent.main.init_script]
          image   = var.workspace_image

          env {
            name  = "CODER_AGENT_TOKEN"
            value = coder_agent.main.token
          }

          resources {
            limits = {
              memory = "4Gi"
            }
            requests = {
              cpu    = "500m"
              memory = "1Gi"
            }
          }

          security_context {
            allow_privilege_escalation = false

            capabilities {
              drop = ["ALL"]
            }
          }

          volume_mount {
            name       = "home"
            mount_path = "/home/coder"
          }
        }

        container {
          name  = "fleet-metadata"
          image = var.metadata_image

          # The agent gives these to what it starts itself, which is not this container.
          env {
            name  = "CODER_WORKSPACE_AGENT_NAME"
            value = "main"
          }

          env {
            name  = "CODER_WORKSPACE_ID"
            value = data.coder_workspace.me.id
          }

          env {
            name  = "CODER_WORKSPACE_NAME"
            value = data.coder_workspace.me.name
          }

          env {
            name  = "CODER_WORKSPACE_OWNER_NAME"
            value = data.coder_workspace_owner.me.name
          }

          env {
            name  = "FLEET_TASK_FILE"
            value = "/home/coder/.fleet-metadata-task.json"
          }

          env {
            name  = "FLEET_TASK_PROCESSES"
            value = "claude,aider*"
          }

          env {
            name  = "METADATA_FOLDER"
            value = "/home/coder/project"
          }

          # All containers of the pod can reach this, and nobody else.
          env {
            name  = "METADATA_HOST"
            value = "127.0.0.1"
          }

          liveness_probe {
            failure_threshold     = 3
            initial_delay_seconds = 10
            period_seconds        = 30
            timeout_seconds       = 5

            exec {
              command = local.is_alive
            }
          }

          readiness_probe {
            period_seconds  = 10
            timeout_seconds = 5

            exec {
              command = local.is_alive
            }
          }

          resources {
            limits = {
              memory = "256Mi"
            }
            requests = {
              cpu    = "50m"
              memory = "128Mi"
            }
          }

          security_context {
            allow_privilege_escalation = false
            read_only_root_filesystem  = true

            capabilities {
              drop = ["ALL"]
            }
          }

          volume_mount {
            name       = "home"
            mount_path = "/home/coder"
            read_only  = true
          }

          volume_mount {
            name       = "tmp"
            mount_path = "/tmp"
          }
        }

        volume {
          name = "home"

          persistent_volume_claim {
            claim_name = kubernetes_persistent_volume_claim_v1.home.metadata[0].name
          }
        }

        volume {
          name = "tmp"

          empty_dir {
            size_limit = "64Mi"
          }
        }
      }
    }
  }

  wait_for_rollout = false
}
