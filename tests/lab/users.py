#!/usr/bin/env python3
"""Makes users of a Milvus with authorization, each with a role of its own name, and that role's privileges.

    users.py ADDRESS PASSWORD '{"USER": [["Global", "ListDatabases"], ...], ...}'

Every privilege is on `*` in database `*`. What Milvus grants to everybody, by the role `public`, is taken away, so that users
have what they were given and no more. Run it with the python that setup.sh prints; who asks is said as channel.py wants it.
"""

import base64
import json
import sys
from concurrent.futures import ThreadPoolExecutor

from pymilvus.grpc_gen import milvus_pb2 as pb

from data import Client


def main():
    address, password, users = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    client = Client(address)
    public = pb.RoleEntity(name="public")
    for grant in client.call("SelectGrant", pb.SelectGrantRequest(entity=pb.GrantEntity(role=public))).entities:
        client.call("OperatePrivilege", pb.OperatePrivilegeRequest(entity=grant, type="Revoke"))

    def make(user, privileges):
        encoded = base64.b64encode(password.encode()).decode()
        client.call("CreateCredential", pb.CreateCredentialRequest(username=user, password=encoded))
        role = pb.RoleEntity(name=user)
        client.call("CreateRole", pb.CreateRoleRequest(entity=role))
        client.call("OperateUserRole", pb.OperateUserRoleRequest(username=user, role_name=user, type="AddUserToRole"))
        for kind, privilege in privileges:
            entity = pb.GrantEntity(
                role=role, object=pb.ObjectEntity(name=kind), object_name="*", db_name="*",
                grantor=pb.GrantorEntity(privilege=pb.PrivilegeEntity(name=privilege)),
            )  # fmt: skip
            client.call("OperatePrivilege", pb.OperatePrivilegeRequest(entity=entity, type="Grant"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: make(*item), users.items()))


if __name__ == "__main__":
    main()
