import { ActionIcon, Checkbox, Menu } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { FlowBadge, HealthCell } from "../../components/badges";
import { IconDots, IconEye, IconPencil, IconTool, IconTrash } from "../../components/icons";
import { Logo } from "../../components/Logo";
import { Sparkline } from "../../components/Sparkline";
import { Tag } from "../../components/Tag";
import { TokenBar } from "../../components/TokenBar";
import { useIsAdmin } from "../../app/session";
import { hasOwnToken } from "../../domain/labels";
import { maskUrl } from "../../domain/url";
import { DeleteServer } from "./DeleteServer";
import classes from "./ServersPage.module.css";

import type { Health, Server, TokenStatus } from "../../api/types";
import type { SparklineData } from "../../components/Sparkline";

interface Props {
  server: Server;
  health: Health | undefined;
  checking: boolean;
  token: TokenStatus | undefined;
  sparkline: SparklineData | undefined;
  selected: boolean;
  onSelect: (on: boolean) => void;
}

export function ServerRow({ server, health, checking, token, sparkline, selected, onSelect }: Props) {
  const admin = useIsAdmin();
  const [deleting, setDeleting] = useState(false);
  const params = { server: server.server_id };
  const groups = server.mcp_access_groups ?? [];
  return (
    <tr data-off={server.disabled || undefined}>
      {admin && (
        <td className={classes.cellCheck}>
          <Checkbox
            size="xs"
            aria-label={`Select ${server.server_name}`}
            checked={selected}
            onChange={(event) => onSelect(event.currentTarget.checked)}
          />
        </td>
      )}
      <td>
        <div className={classes.name}>
          <Logo name={server.server_name} url={server.mcp_info?.logo_url} />
          <div className={classes.nameText}>
            <div className={classes.titleLine}>
              <Link to="/servers/$server" params={params} className={classes.title}>
                {server.server_name}
              </Link>
              {server.slug !== server.server_name && <code className="soft">{server.slug}</code>}
              {server.disabled && <Tag tone="warn">Disabled</Tag>}
              {server.read_only && <Tag>From file</Tag>}
            </div>
            <span className={classes.url}>{maskUrl(server.url)}</span>
          </div>
        </div>
      </td>
      <td>
        <span className={classes.label}>Sign-in</span>
        <span className={classes.signIn}>
          <FlowBadge server={server} />
          <span className={classes.era}>{health?.era ? `HTTP · ${health.era}` : "HTTP"}</span>
        </span>
      </td>
      <td>
        <span className={classes.label}>Health</span>
        {server.disabled ? <span className="soft">—</span> : <HealthCell health={health} checking={checking} />}
      </td>
      <td>
        <span className={classes.label}>Token</span>
        {hasOwnToken(server) && !server.disabled ? (
          token ? (
            <TokenBar status={token} />
          ) : (
            <span className="soft">…</span>
          )
        ) : (
          <span className="soft">—</span>
        )}
      </td>
      <td>
        <span className={classes.label}>Last hour</span>
        <Sparkline data={sparkline} />
      </td>
      <td className={groups.length === 0 ? classes.emptyCell : undefined}>
        <span className={classes.label}>Groups</span>
        <div className={classes.groups}>
          {groups.slice(0, 3).map((g) => (
            <Tag key={g}>{g}</Tag>
          ))}
          {groups.length > 3 && <Tag>+{groups.length - 3}</Tag>}
        </div>
      </td>
      <td className={classes.cellActions}>
        <Menu position="bottom-end" width={180}>
          <Menu.Target>
            <ActionIcon variant="subtle" color="gray" aria-label={`Actions for ${server.server_name}`}>
              <IconDots size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item
              leftSection={<IconEye size={16} />}
              renderRoot={(p) => <Link to="/servers/$server" params={params} {...p} />}
            >
              Open
            </Menu.Item>
            <Menu.Item
              leftSection={<IconTool size={16} />}
              renderRoot={(p) => <Link to="/servers/$server" params={params} search={{ tab: "tools" }} {...p} />}
            >
              Try its tools
            </Menu.Item>
            {admin && !server.read_only && (
              <>
                <Menu.Item
                  leftSection={<IconPencil size={16} />}
                  renderRoot={(p) => <Link to="/servers/$server/edit" params={params} {...p} />}
                >
                  Edit
                </Menu.Item>
                <Menu.Divider />
                <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => setDeleting(true)}>
                  Delete…
                </Menu.Item>
              </>
            )}
          </Menu.Dropdown>
        </Menu>
        <DeleteServer server={server} opened={deleting} onClose={() => setDeleting(false)} />
      </td>
    </tr>
  );
}
