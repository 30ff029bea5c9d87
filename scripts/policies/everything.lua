-- Protects all traffic between front ends, back ends and domain controllers (Microsoft KB 821839, third suggested
-- policy). Protocol "any" has no ports, so LDAP (389), global catalog LDAP (3268), RPC (135 and its dynamic ports) and
-- Kerberos (88) are in it. IKE itself (UDP 500 and 4500) is exempt in every IPsec engine, or no SA could ever come up.
return {
  api = 1,
  name = "everything",
  kind = "policy",
  summary = "All traffic between front ends, back ends and domain controllers",
  extends = "mail-all",
  policy = {
    traffic = { { protocol = "any" } },
    includes_domain_controllers = true,
  },
}
