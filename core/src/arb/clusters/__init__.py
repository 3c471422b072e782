"""Clusters: launch, exec, queue, logs, ssh, status, cost and down, without any printing."""
