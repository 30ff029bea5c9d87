$ErrorActionPreference = 'Stop'
Import-Module FailoverClusters
$group = Get-ClusterGroup -Name 'Anna''s mail'
'node=' + $group.OwnerNode.Name
'state=' + $group.State
$group | Get-ClusterResource | Where-Object { $_.ResourceType.Name -like 'IP*Address' } | ForEach-Object { 'address=' + ($_ | Get-ClusterParameter -Name Address).Value }
