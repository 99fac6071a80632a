import {
  ActionIcon,
  Burger,
  Drawer,
  Loader,
  Menu,
  Modal,
  Tooltip,
  UnstyledButton,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import {
  IconActivity,
  IconArrowsExchange,
  IconChevronDown,
  IconHistory,
  IconInfoCircle,
  IconKey,
  IconLogout,
  IconMoon,
  IconPlugConnected,
  IconServer2,
  IconSettings,
  IconSun,
} from "../components/icons";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { Suspense, useEffect, useState } from "react";

import { onSessionLost } from "../api/client";
import { sessionQuery, signOut, versionQuery } from "../api/session";
import { ErrorPanel } from "../components/ErrorPanel";
import { failed } from "../components/notices";
import { SignInForm, SignInPage } from "../pages/SignIn";
import { SessionContext } from "./session";
import classes from "./Shell.module.css";

import type { Session } from "../api/types";

const sections = [
  { to: "/", label: "Servers", icon: IconServer2 },
  { to: "/keys", label: "Access keys", icon: IconKey },
  { to: "/connections", label: "Connections", icon: IconPlugConnected },
  { to: "/usage", label: "Usage", icon: IconActivity },
  { to: "/audit", label: "Audit", icon: IconHistory },
  { to: "/transfer", label: "Import & export", icon: IconArrowsExchange },
  { to: "/settings", label: "Settings", icon: IconSettings },
  { to: "/about", label: "About", icon: IconInfoCircle },
] as const;

/** What stands around every page, once somebody is signed in. */
export function Shell() {
  const client = useQueryClient();
  const { data: session, error, isPending } = useQuery(sessionQuery);
  const [lost, setLost] = useState(false);
  useEffect(() => onSessionLost(() => setLost(true)), []);

  if (isPending) return <Waiting />;
  if (error) {
    return (
      <main className={classes.alone}>
        <ErrorPanel error={error} retry={() => void client.invalidateQueries(sessionQuery)} />
      </main>
    );
  }
  const started = (next: Session) => {
    client.setQueryData(sessionQuery.queryKey, next);
    setLost(false);
    void client.invalidateQueries({ predicate: (q) => q.queryKey[0] !== "session" });
  };
  if (!session) return <SignInPage onSignedIn={started} />;
  return (
    <SessionContext value={session}>
      <Frame session={session} />
      <Modal
        opened={lost}
        onClose={() => {}}
        withCloseButton={false}
        closeOnEscape={false}
        closeOnClickOutside={false}
        title="Your session has ended"
        centered
      >
        <div className="stack">
          <p className={classes.plainText}>Sign in again to go on. What you entered on this page is still here.</p>
          <SignInForm onSignedIn={started} />
        </div>
      </Modal>
    </SessionContext>
  );
}

function Waiting() {
  return (
    <div className={classes.alone}>
      <Loader aria-label="Loading" />
    </div>
  );
}

function Frame({ session }: { session: Session }) {
  const [opened, setOpened] = useState(false);
  const close = () => setOpened(false);
  return (
    <div className={classes.frame}>
      <a className={classes.skip} href="#content">
        Skip to the content
      </a>
      <header className={classes.bar}>
        <Burger size="sm" opened={opened} onClick={() => setOpened(true)} aria-label="Open the navigation" />
        <Brand />
        <ColorScheme />
      </header>
      <div className={classes.side}>
        <div className={classes.sideHead}>
          <Brand />
        </div>
        <Navigation />
        <Foot session={session} />
      </div>
      <Drawer
        opened={opened}
        onClose={close}
        size={260}
        title="Grantway"
        closeButtonProps={{ "aria-label": "Close the navigation" }}
      >
        <Navigation onNavigate={close} />
        <Foot session={session} />
      </Drawer>
      <main id="content" className={classes.main} tabIndex={-1}>
        <Suspense fallback={<Waiting />}>
          <Outlet />
        </Suspense>
      </main>
    </div>
  );
}

function Brand() {
  return (
    <Link to="/" className={classes.brand}>
      <img src="/ui/favicon.svg" alt="" width={24} height={24} />
      <span>Grantway</span>
    </Link>
  );
}

function Navigation({ onNavigate }: { onNavigate?: () => void }) {
  const path = useRouterState({ select: (s) => s.location.pathname });
  return (
    <nav aria-label="Main" className={classes.nav}>
      {sections.map(({ to, label, icon: Icon }) => {
        const here = to === "/" ? path === "/" || path.startsWith("/servers") : path.startsWith(to);
        return (
          <Link
            key={to}
            to={to}
            onClick={onNavigate}
            className={classes.item}
            data-here={here || undefined}
            aria-current={here ? "page" : undefined}
          >
            <Icon size={18} stroke={1.7} aria-hidden />
            {label}
          </Link>
        );
      })}
    </nav>
  );
}

function Foot({ session }: { session: Session }) {
  const { data: version } = useQuery(versionQuery);
  const client = useQueryClient();
  const leave = async (everywhere: boolean) => {
    try {
      await signOut(everywhere);
      client.setQueryData(sessionQuery.queryKey, null);
      client.removeQueries({ predicate: (q) => q.queryKey[0] !== "session" });
    } catch (error) {
      failed("You are still signed in", error);
    }
  };
  const { name, role } = session.principal;
  return (
    <div className={classes.foot}>
      <Menu position="top-start" width={220}>
        <Menu.Target>
          <UnstyledButton className={classes.person}>
            <span className={classes.personText}>
              <span className={classes.personName}>{name}</span>
              <span className={classes.personRole}>{role === "admin" ? "Administrator" : "Viewer (read only)"}</span>
            </span>
            <IconChevronDown size={16} aria-hidden />
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void leave(false)}>
            Sign out
          </Menu.Item>
          <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void leave(true)}>
            Sign out everywhere
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <div className={classes.footLine}>
        <span className={classes.version}>{version ? `v${version.version} · ${version.host}` : ""}</span>
        <ColorScheme />
      </div>
    </div>
  );
}

function ColorScheme() {
  const { setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  const scheme = useComputedColorScheme("light");
  const other = scheme === "dark" ? "light" : "dark";
  return (
    <Tooltip label={`Use the ${other} theme`}>
      <ActionIcon
        variant="subtle"
        color="gray"
        aria-label={`Use the ${other} theme`}
        onClick={() => setColorScheme(other)}
      >
        {scheme === "dark" ? <IconSun size={18} /> : <IconMoon size={18} />}
      </ActionIcon>
    </Tooltip>
  );
}
