import { PageHeader } from "../../components/PageHeader";
import { useIsAdmin } from "../../app/session";
import { Export } from "./Export";
import { Import } from "./Import";

export function TransferPage() {
  const admin = useIsAdmin();
  return (
    <>
      <PageHeader
        title="Import & export"
        about="The whole configuration as a file: to move it, to keep it under version control, or to come over from LiteLLM."
      />
      <div className="stack">
        {admin ? <Import /> : <span className="soft">Importing needs an admin key.</span>}
        <Export />
      </div>
    </>
  );
}
