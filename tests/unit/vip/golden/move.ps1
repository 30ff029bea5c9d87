$ErrorActionPreference = 'Stop'
Import-Module FailoverClusters
Move-ClusterGroup -Name 'Anna''s mail' -Node 'NODE2' -Wait 60 | Out-Null
