-- Protects all traffic between front ends, back ends and domain controllers (Microsoft KB 821839, third suggested
-- policy). Protocol "any", because a list of ports would be longer and would still miss something: LDAP (389), global
-- catalog LDAP (3268), Kerberos (88, TCP and UDP) and RPC (135, and its dynamic ports: 1025-5000 to Server 2003,
-- 49152-65535 since) are in it. What stays outside are IKE (UDP 500 and 4500), or no SA could ever come up, and the
-- management channel (SSH, RDP, WinRM), so that no rollout locks its operator out; a site states its own as `exempt`.
return {
  api = 1,
  name = "everything",
  kind = "policy",
  summary = "All traffic between front ends, back ends and domain controllers",
  extends = "mail-all",
  policy = {
    traffic = { { protocol = "any" } },
    between = {
      { from = "front_ends", to = "virtual_ip" },
      { from = "front_ends", to = "nodes" },
      { from = "front_ends", to = "domain_controllers" },
      { from = "nodes", to = "domain_controllers" },
    },
  },
}
