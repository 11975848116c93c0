from tenants import roles


def test_the_analyst_neither_hears_nor_changes_anything() -> None:
    permitted = roles.permitted(["tenant_analyst"])
    assert "recordings.listen" not in permitted
    assert not [name for name in permitted if name.endswith(".write") and name != "self.write"]


def test_no_operator_role_reads_customers_calls_or_recordings() -> None:
    private = {"customers.read", "customers.pop", "calls.read", "recordings.listen"}
    for role in roles.ROLES.values():
        if role.door is roles.Door.OPERATOR:
            assert not role.permissions & private, role.name


def test_no_client_role_opens_the_operators_desk() -> None:
    for role in roles.ROLES.values():
        if role.door is not roles.Door.OPERATOR:
            assert "operator.open" not in role.permissions
            assert "companies.read" not in role.permissions


def test_an_unknown_role_permits_nothing() -> None:
    assert roles.permitted(["emperor"]) == frozenset()


def test_two_roles_permit_what_either_permits() -> None:
    both = roles.permitted(["operator_billing", "operator_inventory"])
    assert {"billing.write", "stock.write"} <= both


def test_every_scope_of_a_key_is_a_permission_of_the_owner() -> None:
    assert set(roles.SCOPES) <= roles.permitted(["tenant_owner"])


def test_the_operators_door_goes_before_the_console() -> None:
    assert roles.door_of(["agent", "operator_support"]) is roles.Door.OPERATOR
    assert roles.door_of(["agent"]) is roles.Door.CONSOLE
    assert roles.door_of(["tenant_owner"]) is roles.Door.PORTAL


def test_the_roster_gives_the_agents_role_and_no_other() -> None:
    omar = roles.may_hand_on(roles.permitted(["operator_inventory"]))
    given = {name for name in roles.ROLES if roles.permitted([name]) <= omar}
    assert given == {"agent", "operator_inventory"}
    support = roles.permitted(["operator_support"])
    assert roles.may_hand_on(support) == support
